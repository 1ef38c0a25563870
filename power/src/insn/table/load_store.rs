//! Loads and stores of general registers, with reservation or without (Power ISA v2.07B, Book I, 3.3.2 to 3.3.7; Book II, 4.4.2).

/// Passes the rows collected so far and this file's rows on to the next list of rows.
macro_rules! load_store {
    ({ $($rows:tt)* } $next:ident $($rest:ident)*) => {
        $next! { { $($rows)*
            Lbz "lbz" d(34) [Rt, D, Ra0] [];
            Lbzu "lbzu" d(35) [Rt, D, RaUpdate] [];
            Lhz "lhz" d(40) [Rt, D, Ra0] [];
            Lhzu "lhzu" d(41) [Rt, D, RaUpdate] [];
            Lha "lha" d(42) [Rt, D, Ra0] [];
            Lhau "lhau" d(43) [Rt, D, RaUpdate] [];
            Lwz "lwz" d(32) [Rt, D, Ra0] [];
            Lwzu "lwzu" d(33) [Rt, D, RaUpdate] [];
            Lwa "lwa" ds(58, 2) [Rt, Ds, Ra0] [];
            Ld "ld" ds(58, 0) [Rt, Ds, Ra0] [];
            Ldu "ldu" ds(58, 1) [Rt, Ds, RaUpdate] [];
            Lq "lq" d(56) [RtPair, Dq, Ra0] [];
            Lmw "lmw" d(46) [Rt, D, Ra0] [];
            Lbzx "lbzx" x(31, 87) [Rt, Ra0, Rb] [];
            Lbzux "lbzux" x(31, 119) [Rt, RaUpdate, Rb] [];
            Lhzx "lhzx" x(31, 279) [Rt, Ra0, Rb] [];
            Lhzux "lhzux" x(31, 311) [Rt, RaUpdate, Rb] [];
            Lhax "lhax" x(31, 343) [Rt, Ra0, Rb] [];
            Lhaux "lhaux" x(31, 375) [Rt, RaUpdate, Rb] [];
            Lwzx "lwzx" x(31, 23) [Rt, Ra0, Rb] [];
            Lwzux "lwzux" x(31, 55) [Rt, RaUpdate, Rb] [];
            Lwax "lwax" x(31, 341) [Rt, Ra0, Rb] [];
            Lwaux "lwaux" x(31, 373) [Rt, RaUpdate, Rb] [];
            Ldx "ldx" x(31, 21) [Rt, Ra0, Rb] [];
            Ldux "ldux" x(31, 53) [Rt, RaUpdate, Rb] [];
            Lhbrx "lhbrx" x(31, 790) [Rt, Ra0, Rb] [];
            Lwbrx "lwbrx" x(31, 534) [Rt, Ra0, Rb] [];
            Ldbrx "ldbrx" x(31, 532) [Rt, Ra0, Rb] [];
            Lswi "lswi" x(31, 597) [Rt, Ra0, Nb] [];
            Lswx "lswx" x(31, 533) [Rt, Ra0, Rb] [];

            Stb "stb" d(38) [Rs, D, Ra0] [];
            Stbu "stbu" d(39) [Rs, D, RaUpdate] [];
            Sth "sth" d(44) [Rs, D, Ra0] [];
            Sthu "sthu" d(45) [Rs, D, RaUpdate] [];
            Stw "stw" d(36) [Rs, D, Ra0] [];
            Stwu "stwu" d(37) [Rs, D, RaUpdate] [];
            Std "std" ds(62, 0) [Rs, Ds, Ra0] [];
            Stdu "stdu" ds(62, 1) [Rs, Ds, RaUpdate] [];
            Stq "stq" ds(62, 2) [RsPair, Ds, Ra0] [];
            Stmw "stmw" d(47) [Rs, D, Ra0] [];
            Stbx "stbx" x(31, 215) [Rs, Ra0, Rb] [];
            Stbux "stbux" x(31, 247) [Rs, RaUpdate, Rb] [];
            Sthx "sthx" x(31, 407) [Rs, Ra0, Rb] [];
            Sthux "sthux" x(31, 439) [Rs, RaUpdate, Rb] [];
            Stwx "stwx" x(31, 151) [Rs, Ra0, Rb] [];
            Stwux "stwux" x(31, 183) [Rs, RaUpdate, Rb] [];
            Stdx "stdx" x(31, 149) [Rs, Ra0, Rb] [];
            Stdux "stdux" x(31, 181) [Rs, RaUpdate, Rb] [];
            Sthbrx "sthbrx" x(31, 918) [Rs, Ra0, Rb] [];
            Stwbrx "stwbrx" x(31, 662) [Rs, Ra0, Rb] [];
            Stdbrx "stdbrx" x(31, 660) [Rs, Ra0, Rb] [];
            Stswi "stswi" x(31, 725) [Rs, Ra0, Nb] [];
            Stswx "stswx" x(31, 661) [Rs, Ra0, Rb] [];

            Lbarx "lbarx" x(31, 52) [Rt, Ra0, Rb, Eh] [];
            Lharx "lharx" x(31, 116) [Rt, Ra0, Rb, Eh] [];
            Lwarx "lwarx" x(31, 20) [Rt, Ra0, Rb, Eh] [];
            Ldarx "ldarx" x(31, 84) [Rt, Ra0, Rb, Eh] [];
            Lqarx "lqarx" x(31, 276) [RtPair, Ra0, Rb, Eh] [];
            Stbcx "stbcx." x_dot(31, 694) [Rs, Ra0, Rb] [];
            Sthcx "sthcx." x_dot(31, 726) [Rs, Ra0, Rb] [];
            Stwcx "stwcx." x_dot(31, 150) [Rs, Ra0, Rb] [];
            Stdcx "stdcx." x_dot(31, 214) [Rs, Ra0, Rb] [];
            Stqcx "stqcx." x_dot(31, 182) [RsPair, Ra0, Rb] [];

            Lwat "lwat" x(31, 582) [Rt, Ra0, Fc] [] since Power9;
            Ldat "ldat" x(31, 614) [Rt, Ra0, Fc] [] since Power9;
            Stwat "stwat" x(31, 710) [Rs, Ra0, Fc] [] since Power9;
            Stdat "stdat" x(31, 742) [Rs, Ra0, Fc] [] since Power9;
            Copy "copy" x_bit10(31, 774) [Ra0, Rb] [] since Power9;
            Paste "paste." x_bit10_dot(31, 902) [Ra0, Rb] [] since Power9;
            Cpabort "cpabort" x(31, 838) [] [] since Power9;
        } $($rest)* }
    };
}
pub(super) use load_store;
