//! Storage control, time base, and what only the supervisor executes (Power ISA v2.07B, Books II and III-S).

/// Passes the rows collected so far and this file's rows on to the next list of rows.
macro_rules! system {
    ({ $($rows:tt)* } $next:ident $($rest:ident)*) => {
        $next! { { $($rows)*
            Isync "isync" x(19, 150) [] [];
            Sync "sync" x(31, 598) [Lsync] [];
            Eieio "eieio" x(31, 854) [] [];
            Icbi "icbi" x(31, 982) [Ra0, Rb] [];
            Icbt "icbt" x(31, 22) [Ct, Ra0, Rb] [];
            Dcbt "dcbt" x(31, 278) [Ra0, Rb, Th] [];
            Dcbtst "dcbtst" x(31, 246) [Ra0, Rb, Th] [];
            Dcbz "dcbz" x(31, 1014) [Ra0, Rb] [];
            Dcbst "dcbst" x(31, 54) [Ra0, Rb] [];
            Dcbf "dcbf" x(31, 86) [Ra0, Rb, Lcache] [];
            Dst "dst" x_bit6(31, 342, 0) [Ra, Rb, Strm] [];
            Dstt "dstt" x_bit6(31, 342, 1) [Ra, Rb, Strm] [];
            Dstst "dstst" x_bit6(31, 374, 0) [Ra, Rb, Strm] [];
            Dststt "dststt" x_bit6(31, 374, 1) [Ra, Rb, Strm] [];
            Dss "dss" x_bit6(31, 822, 0) [Strm] [];
            Dssall "dssall" x_bit6(31, 822, 1) [] [];
            Mftb "mftb" x(31, 371) [Rt, Tbr] [];
            Rfebb "rfebb" x(19, 146) [S] [];
            Clrbhrb "clrbhrb" x(31, 430) [] [];
            Mfbhrbe "mfbhrbe" x(31, 302) [Rt, Bhrbe] [];

            Rfid "rfid" x(19, 18) [] [];
            Hrfid "hrfid" x(19, 274) [] [];
            Doze "doze" x(19, 402) [] [] until Power8;
            Nap "nap" x(19, 434) [] [] until Power8;
            Sleep "sleep" x(19, 466) [] [] until Power8;
            Rvwinkle "rvwinkle" x(19, 498) [] [] until Power8;
            Mtmsr "mtmsr" x(31, 146) [Rs, Lmsr] [];
            Mtmsrd "mtmsrd" x(31, 178) [Rs, Lmsr] [];
            Mfmsr "mfmsr" x(31, 83) [Rt] [];
            Lwzcix "lwzcix" x(31, 789) [Rt, Ra0, Rb] [];
            Lhzcix "lhzcix" x(31, 821) [Rt, Ra0, Rb] [];
            Lbzcix "lbzcix" x(31, 853) [Rt, Ra0, Rb] [];
            Ldcix "ldcix" x(31, 885) [Rt, Ra0, Rb] [];
            Stwcix "stwcix" x(31, 917) [Rs, Ra0, Rb] [];
            Sthcix "sthcix" x(31, 949) [Rs, Ra0, Rb] [];
            Stbcix "stbcix" x(31, 981) [Rs, Ra0, Rb] [];
            Stdcix "stdcix" x(31, 1013) [Rs, Ra0, Rb] [];

            Slbie "slbie" x(31, 434) [Rb] [];
            Slbia "slbia" x(31, 498) [Ih] [];
            Slbmte "slbmte" x(31, 402) [Rs, Rb] [];
            Slbmfev "slbmfev" x(31, 851) [Rt, Rb] [];
            Slbmfee "slbmfee" x(31, 915) [Rt, Rb] [];
            Slbfee "slbfee." x_dot(31, 979) [Rt, Rb] [];
            Mtsr "mtsr" x(31, 210) [Sr, Rs] [];
            Mtsrin "mtsrin" x(31, 242) [Rs, Rb] [];
            Mfsr "mfsr" x(31, 595) [Rt, Sr] [];
            Mfsrin "mfsrin" x(31, 659) [Rt, Rb] [];
            Tlbie "tlbie" x(31, 306) [Rb, RsOpt] [];
            Tlbiel "tlbiel" x(31, 274) [Rb, RsOpt, Ric, Prs, Radix] [];
            Tlbsync "tlbsync" x(31, 566) [] [];
            Msgsnd "msgsnd" x(31, 206) [Rb] [];
            Msgclr "msgclr" x(31, 238) [Rb] [];
            Msgsndp "msgsndp" x(31, 142) [Rb] [];
            Msgclrp "msgclrp" x(31, 174) [Rb] [];

            Wait "wait" x(31, 30) [Wc] [] since Power9;
            Rfscv "rfscv" x(19, 82) [] [] since Power9;
            Stop "stop" x(19, 370) [] [] since Power9;
            Slbieg "slbieg" x(31, 466) [Rs, Rb] [] since Power9;
            Slbsync "slbsync" x(31, 338) [] [] since Power9;
            Msgsync "msgsync" x(31, 886) [] [] since Power9;
        } $($rest)* }
    };
}
pub(super) use system;
