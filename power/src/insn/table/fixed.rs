//! Fixed-point arithmetic, comparison, logic and rotation (Power ISA v2.07B, Book I, 3.3.8 to 3.3.17; v3.0B, Book I, 3.3.9 to 3.3.19).

/// Passes the rows collected so far and this file's rows on to the next list of rows.
macro_rules! fixed {
    ({ $($rows:tt)* } $next:ident $($rest:ident)*) => {
        $next! { { $($rows)*
            Addi "addi" d(14) [Rt, Ra0, Si] [];
            Addis "addis" d(15) [Rt, Ra0, SiHigh] [];
            Addic "addic" d(12) [Rt, Ra, Si] [];
            AddicDot "addic." d(13) [Rt, Ra, Si] [];
            Subfic "subfic" d(8) [Rt, Ra, Si] [];
            Mulli "mulli" d(7) [Rt, Ra, Si] [];
            Add "add" xo(31, 266) [Rt, Ra, Rb] [Oe, Rc];
            Subf "subf" xo(31, 40) [Rt, Ra, Rb] [Oe, Rc];
            Addc "addc" xo(31, 10) [Rt, Ra, Rb] [Oe, Rc];
            Subfc "subfc" xo(31, 8) [Rt, Ra, Rb] [Oe, Rc];
            Adde "adde" xo(31, 138) [Rt, Ra, Rb] [Oe, Rc];
            Subfe "subfe" xo(31, 136) [Rt, Ra, Rb] [Oe, Rc];
            Addme "addme" xo(31, 234) [Rt, Ra] [Oe, Rc];
            Subfme "subfme" xo(31, 232) [Rt, Ra] [Oe, Rc];
            Addze "addze" xo(31, 202) [Rt, Ra] [Oe, Rc];
            Subfze "subfze" xo(31, 200) [Rt, Ra] [Oe, Rc];
            Neg "neg" xo(31, 104) [Rt, Ra] [Oe, Rc];
            Mullw "mullw" xo(31, 235) [Rt, Ra, Rb] [Oe, Rc];
            Divw "divw" xo(31, 491) [Rt, Ra, Rb] [Oe, Rc];
            Divwu "divwu" xo(31, 459) [Rt, Ra, Rb] [Oe, Rc];
            Divwe "divwe" xo(31, 427) [Rt, Ra, Rb] [Oe, Rc];
            Divweu "divweu" xo(31, 395) [Rt, Ra, Rb] [Oe, Rc];
            Mulld "mulld" xo(31, 233) [Rt, Ra, Rb] [Oe, Rc];
            Divd "divd" xo(31, 489) [Rt, Ra, Rb] [Oe, Rc];
            Divdu "divdu" xo(31, 457) [Rt, Ra, Rb] [Oe, Rc];
            Divde "divde" xo(31, 425) [Rt, Ra, Rb] [Oe, Rc];
            Divdeu "divdeu" xo(31, 393) [Rt, Ra, Rb] [Oe, Rc];
            Mulhw "mulhw" xo(31, 75) [Rt, Ra, Rb] [Rc];
            Mulhwu "mulhwu" xo(31, 11) [Rt, Ra, Rb] [Rc];
            Mulhd "mulhd" xo(31, 73) [Rt, Ra, Rb] [Rc];
            Mulhdu "mulhdu" xo(31, 9) [Rt, Ra, Rb] [Rc];
            Addg6s "addg6s" xo(31, 74) [Rt, Ra, Rb] [];

            Cmpi "cmpi" d(11) [BfOpt, L, Ra, Si] [];
            Cmp "cmp" x(31, 0) [BfOpt, L, Ra, Rb] [];
            Cmpli "cmpli" d(10) [BfOpt, L, Ra, Ui] [];
            Cmpl "cmpl" x(31, 32) [BfOpt, L, Ra, Rb] [];
            Twi "twi" d(3) [To, Ra, Si] [];
            Tw "tw" x(31, 4) [To, Ra, Rb] [];
            Tdi "tdi" d(2) [To, Ra, Si] [];
            Td "td" x(31, 68) [To, Ra, Rb] [];
            Isel "isel" a(31, 15) [Rt, Ra0, Rb, Bc] [];

            Andi "andi." d(28) [Ra, Rs, Ui] [];
            Andis "andis." d(29) [Ra, Rs, Ui] [];
            Ori "ori" d(24) [Ra, Rs, Ui] [];
            Oris "oris" d(25) [Ra, Rs, Ui] [];
            Xori "xori" d(26) [Ra, Rs, Ui] [];
            Xoris "xoris" d(27) [Ra, Rs, Ui] [];
            And "and" x(31, 28) [Ra, Rs, Rb] [Rc];
            Xor "xor" x(31, 316) [Ra, Rs, Rb] [Rc];
            Nand "nand" x(31, 476) [Ra, Rs, Rb] [Rc];
            Or "or" x(31, 444) [Ra, Rs, Rb] [Rc];
            Nor "nor" x(31, 124) [Ra, Rs, Rb] [Rc];
            Eqv "eqv" x(31, 284) [Ra, Rs, Rb] [Rc];
            Andc "andc" x(31, 60) [Ra, Rs, Rb] [Rc];
            Orc "orc" x(31, 412) [Ra, Rs, Rb] [Rc];
            Extsb "extsb" x(31, 954) [Ra, Rs] [Rc];
            Extsh "extsh" x(31, 922) [Ra, Rs] [Rc];
            Extsw "extsw" x(31, 986) [Ra, Rs] [Rc];
            Cntlzw "cntlzw" x(31, 26) [Ra, Rs] [Rc];
            Cntlzd "cntlzd" x(31, 58) [Ra, Rs] [Rc];
            Popcntb "popcntb" x(31, 122) [Ra, Rs] [];
            Popcntw "popcntw" x(31, 378) [Ra, Rs] [];
            Popcntd "popcntd" x(31, 506) [Ra, Rs] [];
            Prtyw "prtyw" x(31, 154) [Ra, Rs] [];
            Prtyd "prtyd" x(31, 186) [Ra, Rs] [];
            Cdtbcd "cdtbcd" x(31, 282) [Ra, Rs] [];
            Cbcdtd "cbcdtd" x(31, 314) [Ra, Rs] [];
            Cmpb "cmpb" x(31, 508) [Ra, Rs, Rb] [];
            Bpermd "bpermd" x(31, 252) [Ra, Rs, Rb] [];

            Rlwimi "rlwimi" d(20) [Ra, Rs, Sh, Mb, Me] [Rc];
            Rlwinm "rlwinm" d(21) [Ra, Rs, Sh, Mb, Me] [Rc];
            Rlwnm "rlwnm" d(23) [Ra, Rs, Rb, Mb, Me] [Rc];
            Rldicl "rldicl" md(30, 0) [Ra, Rs, Sh6, Mb6] [Rc];
            Rldicr "rldicr" md(30, 1) [Ra, Rs, Sh6, Me6] [Rc];
            Rldic "rldic" md(30, 2) [Ra, Rs, Sh6, Mb6] [Rc];
            Rldimi "rldimi" md(30, 3) [Ra, Rs, Sh6, Mb6] [Rc];
            Rldcl "rldcl" mds(30, 8) [Ra, Rs, Rb, Mb6] [Rc];
            Rldcr "rldcr" mds(30, 9) [Ra, Rs, Rb, Me6] [Rc];
            Slw "slw" x(31, 24) [Ra, Rs, Rb] [Rc];
            Srw "srw" x(31, 536) [Ra, Rs, Rb] [Rc];
            Sraw "sraw" x(31, 792) [Ra, Rs, Rb] [Rc];
            Srawi "srawi" x(31, 824) [Ra, Rs, Sh] [Rc];
            Sld "sld" x(31, 27) [Ra, Rs, Rb] [Rc];
            Srd "srd" x(31, 539) [Ra, Rs, Rb] [Rc];
            Srad "srad" x(31, 794) [Ra, Rs, Rb] [Rc];
            Sradi "sradi" xs(31, 413) [Ra, Rs, Sh6] [Rc];

            Mtspr "mtspr" x(31, 467) [Spr, Rs] [];
            Mfspr "mfspr" x(31, 339) [Rt, Spr] [];
            Mtcrf "mtcrf" x_bit11(31, 144, 0) [Fxm, Rs] [];
            Mtocrf "mtocrf" x_bit11(31, 144, 1) [FxmOne, Rs] [];
            Mfcr "mfcr" x_bit11(31, 19, 0) [Rt] [];
            Mfocrf "mfocrf" x_bit11(31, 19, 1) [Rt, FxmOne] [];

            Addpcis "addpcis" dx(19, 2) [Rt, SiPieces] [] since Power9;
            Addex "addex" z23(31, 170) [Rt, Ra, Rb, Cy] [] since Power9;
            Maddhd "maddhd" va(4, 48) [Rt, Ra, Rb, Rc] [] since Power9;
            Maddhdu "maddhdu" va(4, 49) [Rt, Ra, Rb, Rc] [] since Power9;
            Maddld "maddld" va(4, 51) [Rt, Ra, Rb, Rc] [] since Power9;
            Modsw "modsw" x(31, 779) [Rt, Ra, Rb] [] since Power9;
            Moduw "moduw" x(31, 267) [Rt, Ra, Rb] [] since Power9;
            Modsd "modsd" x(31, 777) [Rt, Ra, Rb] [] since Power9;
            Modud "modud" x(31, 265) [Rt, Ra, Rb] [] since Power9;
            Darn "darn" x(31, 755) [Rt, Lrandom] [] since Power9;
            Cmprb "cmprb" x(31, 192) [Bf, L, Ra, Rb] [] since Power9;
            Cmpeqb "cmpeqb" x(31, 224) [Bf, Ra, Rb] [] since Power9;
            Setb "setb" x(31, 128) [Rt, Bfa] [] since Power9;
            Mcrxrx "mcrxrx" x(31, 576) [Bf] [] since Power9;
            Cnttzw "cnttzw" x(31, 538) [Ra, Rs] [Rc] since Power9;
            Cnttzd "cnttzd" x(31, 570) [Ra, Rs] [Rc] since Power9;
            Extswsli "extswsli" xs(31, 445) [Ra, Rs, Sh6] [Rc] since Power9;
        } $($rest)* }
    };
}
pub(super) use fixed;
