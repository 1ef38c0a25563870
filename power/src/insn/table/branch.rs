//! Branches, system linkage and the logic of condition register bits (Power ISA v2.07B, Book I, chapter 2).

/// Passes the rows collected so far and this file's rows on to the next list of rows.
macro_rules! branch {
    ({ $($rows:tt)* } $next:ident $($rest:ident)*) => {
        $next! { { $($rows)*
            B "b" d(18) [Li] [Lk, Aa];
            Bc "bc" d(16) [Bo, Bi, Bd] [Lk, Aa];
            Bclr "bclr" x(19, 16) [Bo, Bi, Bh] [Lk];
            Bcctr "bcctr" x(19, 528) [Bo, Bi, Bh] [Lk];
            Bctar "bctar" x(19, 560) [Bo, Bi, Bh] [Lk];
            Sc "sc" sc(17) [Lev] [];
            Scv "scv" scv(17) [LevVectored] [] since Power9;

            Mcrf "mcrf" x(19, 0) [Bf, Bfa] [];
            Crnor "crnor" x(19, 33) [Bt, Ba, Bb] [];
            Crandc "crandc" x(19, 129) [Bt, Ba, Bb] [];
            Crxor "crxor" x(19, 193) [Bt, Ba, Bb] [];
            Crnand "crnand" x(19, 225) [Bt, Ba, Bb] [];
            Crand "crand" x(19, 257) [Bt, Ba, Bb] [];
            Creqv "creqv" x(19, 289) [Bt, Ba, Bb] [];
            Crorc "crorc" x(19, 417) [Bt, Ba, Bb] [];
            Cror "cror" x(19, 449) [Bt, Ba, Bb] [];
        } $($rest)* }
    };
}
pub(super) use branch;
