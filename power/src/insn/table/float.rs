//! Floating point (Power ISA v2.07B, Book I, chapter 4).

/// Passes the rows collected so far and this file's rows on to the next list of rows.
macro_rules! float {
    ({ $($rows:tt)* } $next:ident $($rest:ident)*) => {
        $next! { { $($rows)*
            Lfs "lfs" d(48) [Frt, D, Ra0] [];
            Lfsu "lfsu" d(49) [Frt, D, RaUpdate] [];
            Lfd "lfd" d(50) [Frt, D, Ra0] [];
            Lfdu "lfdu" d(51) [Frt, D, RaUpdate] [];
            Lfsx "lfsx" x(31, 535) [Frt, Ra0, Rb] [];
            Lfsux "lfsux" x(31, 567) [Frt, RaUpdate, Rb] [];
            Lfdx "lfdx" x(31, 599) [Frt, Ra0, Rb] [];
            Lfdux "lfdux" x(31, 631) [Frt, RaUpdate, Rb] [];
            Lfiwax "lfiwax" x(31, 855) [Frt, Ra0, Rb] [];
            Lfiwzx "lfiwzx" x(31, 887) [Frt, Ra0, Rb] [];
            Lfdp "lfdp" ds(57, 0) [FrtPair, Ds, Ra0] [];
            Lfdpx "lfdpx" x(31, 791) [FrtPair, Ra0, Rb] [];
            Stfs "stfs" d(52) [Frs, D, Ra0] [];
            Stfsu "stfsu" d(53) [Frs, D, RaUpdate] [];
            Stfd "stfd" d(54) [Frs, D, Ra0] [];
            Stfdu "stfdu" d(55) [Frs, D, RaUpdate] [];
            Stfsx "stfsx" x(31, 663) [Frs, Ra0, Rb] [];
            Stfsux "stfsux" x(31, 695) [Frs, RaUpdate, Rb] [];
            Stfdx "stfdx" x(31, 727) [Frs, Ra0, Rb] [];
            Stfdux "stfdux" x(31, 759) [Frs, RaUpdate, Rb] [];
            Stfiwx "stfiwx" x(31, 983) [Frs, Ra0, Rb] [];
            Stfdp "stfdp" ds(61, 0) [FrsPair, Ds, Ra0] [];
            Stfdpx "stfdpx" x(31, 919) [FrsPair, Ra0, Rb] [];

            Fmr "fmr" x(63, 72) [Frt, Frb] [Rc];
            Fneg "fneg" x(63, 40) [Frt, Frb] [Rc];
            Fabs "fabs" x(63, 264) [Frt, Frb] [Rc];
            Fnabs "fnabs" x(63, 136) [Frt, Frb] [Rc];
            Fcpsgn "fcpsgn" x(63, 8) [Frt, Fra, Frb] [Rc];
            Fmrgew "fmrgew" x(63, 966) [Frt, Fra, Frb] [];
            Fmrgow "fmrgow" x(63, 838) [Frt, Fra, Frb] [];

            Fadd "fadd" a(63, 21) [Frt, Fra, Frb] [Rc];
            Fsub "fsub" a(63, 20) [Frt, Fra, Frb] [Rc];
            Fmul "fmul" a(63, 25) [Frt, Fra, Frc] [Rc];
            Fdiv "fdiv" a(63, 18) [Frt, Fra, Frb] [Rc];
            Fsqrt "fsqrt" a(63, 22) [Frt, Frb] [Rc];
            Fre "fre" a(63, 24) [Frt, Frb] [Rc];
            Frsqrte "frsqrte" a(63, 26) [Frt, Frb] [Rc];
            Fmadd "fmadd" a(63, 29) [Frt, Fra, Frc, Frb] [Rc];
            Fmsub "fmsub" a(63, 28) [Frt, Fra, Frc, Frb] [Rc];
            Fnmadd "fnmadd" a(63, 31) [Frt, Fra, Frc, Frb] [Rc];
            Fnmsub "fnmsub" a(63, 30) [Frt, Fra, Frc, Frb] [Rc];
            Fadds "fadds" a(59, 21) [Frt, Fra, Frb] [Rc];
            Fsubs "fsubs" a(59, 20) [Frt, Fra, Frb] [Rc];
            Fmuls "fmuls" a(59, 25) [Frt, Fra, Frc] [Rc];
            Fdivs "fdivs" a(59, 18) [Frt, Fra, Frb] [Rc];
            Fsqrts "fsqrts" a(59, 22) [Frt, Frb] [Rc];
            Fres "fres" a(59, 24) [Frt, Frb] [Rc];
            Frsqrtes "frsqrtes" a(59, 26) [Frt, Frb] [Rc];
            Fmadds "fmadds" a(59, 29) [Frt, Fra, Frc, Frb] [Rc];
            Fmsubs "fmsubs" a(59, 28) [Frt, Fra, Frc, Frb] [Rc];
            Fnmadds "fnmadds" a(59, 31) [Frt, Fra, Frc, Frb] [Rc];
            Fnmsubs "fnmsubs" a(59, 30) [Frt, Fra, Frc, Frb] [Rc];
            Fsel "fsel" a(63, 23) [Frt, Fra, Frc, Frb] [Rc];
            Ftdiv "ftdiv" x(63, 128) [Bf, Fra, Frb] [];
            Ftsqrt "ftsqrt" x(63, 160) [Bf, Frb] [];

            Frsp "frsp" x(63, 12) [Frt, Frb] [Rc];
            Fctid "fctid" x(63, 814) [Frt, Frb] [Rc];
            Fctidz "fctidz" x(63, 815) [Frt, Frb] [Rc];
            Fctidu "fctidu" x(63, 942) [Frt, Frb] [Rc];
            Fctiduz "fctiduz" x(63, 943) [Frt, Frb] [Rc];
            Fctiw "fctiw" x(63, 14) [Frt, Frb] [Rc];
            Fctiwz "fctiwz" x(63, 15) [Frt, Frb] [Rc];
            Fctiwu "fctiwu" x(63, 142) [Frt, Frb] [Rc];
            Fctiwuz "fctiwuz" x(63, 143) [Frt, Frb] [Rc];
            Fcfid "fcfid" x(63, 846) [Frt, Frb] [Rc];
            Fcfidu "fcfidu" x(63, 974) [Frt, Frb] [Rc];
            Fcfids "fcfids" x(59, 846) [Frt, Frb] [Rc];
            Fcfidus "fcfidus" x(59, 974) [Frt, Frb] [Rc];
            Frin "frin" x(63, 392) [Frt, Frb] [Rc];
            Friz "friz" x(63, 424) [Frt, Frb] [Rc];
            Frip "frip" x(63, 456) [Frt, Frb] [Rc];
            Frim "frim" x(63, 488) [Frt, Frb] [Rc];
            Fcmpu "fcmpu" x(63, 0) [Bf, Fra, Frb] [];
            Fcmpo "fcmpo" x(63, 32) [Bf, Fra, Frb] [];

            Mffs "mffs" x(63, 583) [Frt] [Rc];
            Mffsce "mffsce" x_eo(63, 583, 1) [Frt] [] since Power9;
            Mffscdrn "mffscdrn" x_eo(63, 583, 20) [Frt, Frb] [] since Power9;
            Mffscdrni "mffscdrni" x_eo(63, 583, 21) [Frt, Drm] [] since Power9;
            Mffscrn "mffscrn" x_eo(63, 583, 22) [Frt, Frb] [] since Power9;
            Mffscrni "mffscrni" x_eo(63, 583, 23) [Frt, Rm] [] since Power9;
            Mffsl "mffsl" x_eo(63, 583, 24) [Frt] [] since Power9;
            Mcrfs "mcrfs" x(63, 64) [Bf, Bfa] [];
            Mtfsfi "mtfsfi" x(63, 134) [BfFpscr, U, W] [Rc];
            Mtfsf "mtfsf" x(63, 711) [Flm, Frb, Lf, W] [Rc];
            Mtfsb0 "mtfsb0" x(63, 70) [BtFpscr] [Rc];
            Mtfsb1 "mtfsb1" x(63, 38) [BtFpscr] [Rc];
        } $($rest)* }
    };
}
pub(super) use float;
