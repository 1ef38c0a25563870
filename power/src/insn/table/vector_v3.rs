//! What Power ISA v3.0B adds to the vector facility (Book I, chapter 6).

/// Passes the rows collected so far and this file's rows on to the next list of rows.
macro_rules! vector_v3 {
    ({ $($rows:tt)* } $next:ident $($rest:ident)*) => {
        $next! { { $($rows)*
            Vcmpneb "vcmpneb" vc(4, 7) [Vrt, Vra, Vrb] [Vc] since Power9;
            Vcmpneh "vcmpneh" vc(4, 71) [Vrt, Vra, Vrb] [Vc] since Power9;
            Vcmpnew "vcmpnew" vc(4, 135) [Vrt, Vra, Vrb] [Vc] since Power9;
            Vcmpnezb "vcmpnezb" vc(4, 263) [Vrt, Vra, Vrb] [Vc] since Power9;
            Vcmpnezh "vcmpnezh" vc(4, 327) [Vrt, Vra, Vrb] [Vc] since Power9;
            Vcmpnezw "vcmpnezw" vc(4, 391) [Vrt, Vra, Vrb] [Vc] since Power9;

            Vabsdub "vabsdub" vx(4, 1027) [Vrt, Vra, Vrb] [] since Power9;
            Vabsduh "vabsduh" vx(4, 1091) [Vrt, Vra, Vrb] [] since Power9;
            Vabsduw "vabsduw" vx(4, 1155) [Vrt, Vra, Vrb] [] since Power9;
            Vslv "vslv" vx(4, 1860) [Vrt, Vra, Vrb] [] since Power9;
            Vsrv "vsrv" vx(4, 1796) [Vrt, Vra, Vrb] [] since Power9;
            Vrlwmi "vrlwmi" vx(4, 133) [Vrt, Vra, Vrb] [] since Power9;
            Vrlwnm "vrlwnm" vx(4, 389) [Vrt, Vra, Vrb] [] since Power9;
            Vrldmi "vrldmi" vx(4, 197) [Vrt, Vra, Vrb] [] since Power9;
            Vrldnm "vrldnm" vx(4, 453) [Vrt, Vra, Vrb] [] since Power9;
            Vbpermd "vbpermd" vx(4, 1484) [Vrt, Vra, Vrb] [] since Power9;
            Vpermr "vpermr" va(4, 59) [Vrt, Vra, Vrb, Vrc] [] since Power9;
            Vmsumudm "vmsumudm" va(4, 35) [Vrt, Vra, Vrb, Vrc] [] since Power9;

            Vextublx "vextublx" vx(4, 1549) [Rt, Ra, Vrb] [] since Power9;
            Vextuhlx "vextuhlx" vx(4, 1613) [Rt, Ra, Vrb] [] since Power9;
            Vextuwlx "vextuwlx" vx(4, 1677) [Rt, Ra, Vrb] [] since Power9;
            Vextubrx "vextubrx" vx(4, 1805) [Rt, Ra, Vrb] [] since Power9;
            Vextuhrx "vextuhrx" vx(4, 1869) [Rt, Ra, Vrb] [] since Power9;
            Vextuwrx "vextuwrx" vx(4, 1933) [Rt, Ra, Vrb] [] since Power9;
            Vextractub "vextractub" vx(4, 525) [Vrt, Vrb, Uim4] [] since Power9;
            Vextractuh "vextractuh" vx(4, 589) [Vrt, Vrb, Uim4] [] since Power9;
            Vextractuw "vextractuw" vx(4, 653) [Vrt, Vrb, Uim4] [] since Power9;
            Vextractd "vextractd" vx(4, 717) [Vrt, Vrb, Uim4] [] since Power9;
            Vinsertb "vinsertb" vx(4, 781) [Vrt, Vrb, Uim4] [] since Power9;
            Vinserth "vinserth" vx(4, 845) [Vrt, Vrb, Uim4] [] since Power9;
            Vinsertw "vinsertw" vx(4, 909) [Vrt, Vrb, Uim4] [] since Power9;
            Vinsertd "vinsertd" vx(4, 973) [Vrt, Vrb, Uim4] [] since Power9;

            Vclzlsbb "vclzlsbb" vx_eo(4, 1538, 0) [Rt, Vrb] [] since Power9;
            Vctzlsbb "vctzlsbb" vx_eo(4, 1538, 1) [Rt, Vrb] [] since Power9;
            Vnegw "vnegw" vx_eo(4, 1538, 6) [Vrt, Vrb] [] since Power9;
            Vnegd "vnegd" vx_eo(4, 1538, 7) [Vrt, Vrb] [] since Power9;
            Vprtybw "vprtybw" vx_eo(4, 1538, 8) [Vrt, Vrb] [] since Power9;
            Vprtybd "vprtybd" vx_eo(4, 1538, 9) [Vrt, Vrb] [] since Power9;
            Vprtybq "vprtybq" vx_eo(4, 1538, 10) [Vrt, Vrb] [] since Power9;
            Vextsb2w "vextsb2w" vx_eo(4, 1538, 16) [Vrt, Vrb] [] since Power9;
            Vextsh2w "vextsh2w" vx_eo(4, 1538, 17) [Vrt, Vrb] [] since Power9;
            Vextsb2d "vextsb2d" vx_eo(4, 1538, 24) [Vrt, Vrb] [] since Power9;
            Vextsh2d "vextsh2d" vx_eo(4, 1538, 25) [Vrt, Vrb] [] since Power9;
            Vextsw2d "vextsw2d" vx_eo(4, 1538, 26) [Vrt, Vrb] [] since Power9;
            Vctzb "vctzb" vx_eo(4, 1538, 28) [Vrt, Vrb] [] since Power9;
            Vctzh "vctzh" vx_eo(4, 1538, 29) [Vrt, Vrb] [] since Power9;
            Vctzw "vctzw" vx_eo(4, 1538, 30) [Vrt, Vrb] [] since Power9;
            Vctzd "vctzd" vx_eo(4, 1538, 31) [Vrt, Vrb] [] since Power9;

            Vmul10cuq "vmul10cuq" vx(4, 1) [Vrt, Vra] [] since Power9;
            Vmul10uq "vmul10uq" vx(4, 513) [Vrt, Vra] [] since Power9;
            Vmul10ecuq "vmul10ecuq" vx(4, 65) [Vrt, Vra, Vrb] [] since Power9;
            Vmul10euq "vmul10euq" vx(4, 577) [Vrt, Vra, Vrb] [] since Power9;

            Bcdctsq "bcdctsq." bcd_eo(4, 385, 0) [Vrt, Vrb] [] since Power9;
            Bcdcfsq "bcdcfsq." bcd_eo(4, 385, 2) [Vrt, Vrb, Ps] [] since Power9;
            Bcdctz "bcdctz." bcd_eo(4, 385, 4) [Vrt, Vrb, Ps] [] since Power9;
            Bcdctn "bcdctn." bcd_eo(4, 385, 5) [Vrt, Vrb] [] since Power9;
            Bcdcfz "bcdcfz." bcd_eo(4, 385, 6) [Vrt, Vrb, Ps] [] since Power9;
            Bcdcfn "bcdcfn." bcd_eo(4, 385, 7) [Vrt, Vrb, Ps] [] since Power9;
            Bcdsetsgn "bcdsetsgn." bcd_eo(4, 385, 31) [Vrt, Vrb, Ps] [] since Power9;
            Bcdcpsgn "bcdcpsgn." vx(4, 833) [Vrt, Vra, Vrb] [] since Power9;
            Bcdus "bcdus." bcd(4, 129) [Vrt, Vra, Vrb] [] since Power9;
            Bcds "bcds." bcd(4, 193) [Vrt, Vra, Vrb, Ps] [] since Power9;
            Bcdtrunc "bcdtrunc." bcd(4, 257) [Vrt, Vra, Vrb, Ps] [] since Power9;
            Bcdutrunc "bcdutrunc." bcd(4, 321) [Vrt, Vra, Vrb] [] since Power9;
            Bcdsr "bcdsr." bcd(4, 449) [Vrt, Vra, Vrb, Ps] [] since Power9;
        } $($rest)* }
    };
}
pub(super) use vector_v3;
