//! What Power ISA v3.0B adds to the vector-scalar extension (Book I, chapter 7).

/// Passes the rows collected so far and this file's rows on to the next list of rows.
macro_rules! vsx_v3 {
    ({ $($rows:tt)* } $next:ident $($rest:ident)*) => {
        $next! { { $($rows)*
            Lxvx "lxvx" x_bit25_free(31, 268) [Xt, Ra0, Rb] [] since Power9;
            Lxvl "lxvl" x(31, 269) [Xt, Ra0, Rb] [] since Power9;
            Lxvll "lxvll" x(31, 301) [Xt, Ra0, Rb] [] since Power9;
            Lxvwsx "lxvwsx" x(31, 364) [Xt, Ra0, Rb] [] since Power9;
            Lxsibzx "lxsibzx" x(31, 781) [Xt, Ra0, Rb] [] since Power9;
            Lxsihzx "lxsihzx" x(31, 813) [Xt, Ra0, Rb] [] since Power9;
            Lxvh8x "lxvh8x" x(31, 812) [Xt, Ra0, Rb] [] since Power9;
            Lxvb16x "lxvb16x" x(31, 876) [Xt, Ra0, Rb] [] since Power9;
            Stxvx "stxvx" x(31, 396) [Xs, Ra0, Rb] [] since Power9;
            Stxvl "stxvl" x(31, 397) [Xs, Ra0, Rb] [] since Power9;
            Stxvll "stxvll" x(31, 429) [Xs, Ra0, Rb] [] since Power9;
            Stxsibx "stxsibx" x(31, 909) [Xs, Ra0, Rb] [] since Power9;
            Stxsihx "stxsihx" x(31, 941) [Xs, Ra0, Rb] [] since Power9;
            Stxvh8x "stxvh8x" x(31, 940) [Xs, Ra0, Rb] [] since Power9;
            Stxvb16x "stxvb16x" x(31, 1004) [Xs, Ra0, Rb] [] since Power9;
            Lxv "lxv" dq(61, 1) [XtDq, Dq, Ra0] [] since Power9;
            Stxv "stxv" dq(61, 5) [XsDq, Dq, Ra0] [] since Power9;
            Lxsd "lxsd" ds(57, 2) [Vrt, Ds, Ra0] [] since Power9;
            Lxssp "lxssp" ds(57, 3) [Vrt, Ds, Ra0] [] since Power9;
            Stxsd "stxsd" ds(61, 2) [Vrs, Ds, Ra0] [] since Power9;
            Stxssp "stxssp" ds(61, 3) [Vrs, Ds, Ra0] [] since Power9;

            Mfvsrld "mfvsrld" x(31, 307) [Ra, Xs] [] since Power9;
            Mtvsrws "mtvsrws" x(31, 403) [Xt, Ra] [] since Power9;
            Mtvsrdd "mtvsrdd" x(31, 435) [Xt, Ra0, Rb] [] since Power9;
            Xxbrh "xxbrh" xx2_eo(60, 475, 7) [Xt, Xb] [] since Power9;
            Xxbrw "xxbrw" xx2_eo(60, 475, 15) [Xt, Xb] [] since Power9;
            Xxbrd "xxbrd" xx2_eo(60, 475, 23) [Xt, Xb] [] since Power9;
            Xxbrq "xxbrq" xx2_eo(60, 475, 31) [Xt, Xb] [] since Power9;
            Xxextractuw "xxextractuw" xx2(60, 165) [Xt, Xb, Uim4] [] since Power9;
            Xxinsertw "xxinsertw" xx2(60, 181) [Xt, Xb, Uim4] [] since Power9;
            Xxspltib "xxspltib" x_splat(60, 360) [Xt, Imm8] [] since Power9;
            Xxperm "xxperm" xx3(60, 26) [Xt, Xa, Xb] [] since Power9;
            Xxpermr "xxpermr" xx3(60, 58) [Xt, Xa, Xb] [] since Power9;

            Xscmpeqdp "xscmpeqdp" xx3(60, 3) [Xt, Xa, Xb] [] since Power9;
            Xscmpgtdp "xscmpgtdp" xx3(60, 11) [Xt, Xa, Xb] [] since Power9;
            Xscmpgedp "xscmpgedp" xx3(60, 19) [Xt, Xa, Xb] [] since Power9;
            Xsmaxcdp "xsmaxcdp" xx3(60, 128) [Xt, Xa, Xb] [] since Power9;
            Xsmincdp "xsmincdp" xx3(60, 136) [Xt, Xa, Xb] [] since Power9;
            Xsmaxjdp "xsmaxjdp" xx3(60, 144) [Xt, Xa, Xb] [] since Power9;
            Xsminjdp "xsminjdp" xx3(60, 152) [Xt, Xa, Xb] [] since Power9;
            Xscmpexpdp "xscmpexpdp" xx3(60, 59) [Bf, Xa, Xb] [] since Power9;
            Xststdcdp "xststdcdp" xx2(60, 362) [Bf, Xb, Dcmx] [] since Power9;
            Xststdcsp "xststdcsp" xx2(60, 298) [Bf, Xb, Dcmx] [] since Power9;
            Xsxexpdp "xsxexpdp" xx2_eo(60, 347, 0) [Rt, Xb] [] since Power9;
            Xsxsigdp "xsxsigdp" xx2_eo(60, 347, 1) [Rt, Xb] [] since Power9;
            Xscvhpdp "xscvhpdp" xx2_eo(60, 347, 16) [Xt, Xb] [] since Power9;
            Xscvdphp "xscvdphp" xx2_eo(60, 347, 17) [Xt, Xb] [] since Power9;
            Xsiexpdp "xsiexpdp" x(60, 918) [Xt, Ra, Rb] [] since Power9;

            Xvxexpdp "xvxexpdp" xx2_eo(60, 475, 0) [Xt, Xb] [] since Power9;
            Xvxsigdp "xvxsigdp" xx2_eo(60, 475, 1) [Xt, Xb] [] since Power9;
            Xvxexpsp "xvxexpsp" xx2_eo(60, 475, 8) [Xt, Xb] [] since Power9;
            Xvxsigsp "xvxsigsp" xx2_eo(60, 475, 9) [Xt, Xb] [] since Power9;
            Xvcvhpsp "xvcvhpsp" xx2_eo(60, 475, 24) [Xt, Xb] [] since Power9;
            Xvcvsphp "xvcvsphp" xx2_eo(60, 475, 25) [Xt, Xb] [] since Power9;
            Xviexpdp "xviexpdp" xx3(60, 248) [Xt, Xa, Xb] [] since Power9;
            Xviexpsp "xviexpsp" xx3(60, 216) [Xt, Xa, Xb] [] since Power9;
            Xvtstdcdp "xvtstdcdp" xx2_dc(60, 245) [Xt, Xb, DcmxSplit] [] since Power9;
            Xvtstdcsp "xvtstdcsp" xx2_dc(60, 213) [Xt, Xb, DcmxSplit] [] since Power9;

            Xsaddqp "xsaddqp" x(63, 4) [Vrt, Vra, Vrb] [Ro] since Power9;
            Xsmulqp "xsmulqp" x(63, 36) [Vrt, Vra, Vrb] [Ro] since Power9;
            Xsmaddqp "xsmaddqp" x(63, 388) [Vrt, Vra, Vrb] [Ro] since Power9;
            Xsmsubqp "xsmsubqp" x(63, 420) [Vrt, Vra, Vrb] [Ro] since Power9;
            Xsnmaddqp "xsnmaddqp" x(63, 452) [Vrt, Vra, Vrb] [Ro] since Power9;
            Xsnmsubqp "xsnmsubqp" x(63, 484) [Vrt, Vra, Vrb] [Ro] since Power9;
            Xssubqp "xssubqp" x(63, 516) [Vrt, Vra, Vrb] [Ro] since Power9;
            Xsdivqp "xsdivqp" x(63, 548) [Vrt, Vra, Vrb] [Ro] since Power9;
            Xscpsgnqp "xscpsgnqp" x(63, 100) [Vrt, Vra, Vrb] [] since Power9;
            Xsiexpqp "xsiexpqp" x(63, 868) [Vrt, Vra, Vrb] [] since Power9;
            Xscmpoqp "xscmpoqp" x(63, 132) [Bf, Vra, Vrb] [] since Power9;
            Xscmpexpqp "xscmpexpqp" x(63, 164) [Bf, Vra, Vrb] [] since Power9;
            Xscmpuqp "xscmpuqp" x(63, 644) [Bf, Vra, Vrb] [] since Power9;
            Xststdcqp "xststdcqp" x(63, 708) [Bf, Vrb, Dcmx] [] since Power9;
            Xsabsqp "xsabsqp" x_eo(63, 804, 0) [Vrt, Vrb] [] since Power9;
            Xsxexpqp "xsxexpqp" x_eo(63, 804, 2) [Vrt, Vrb] [] since Power9;
            Xsnabsqp "xsnabsqp" x_eo(63, 804, 8) [Vrt, Vrb] [] since Power9;
            Xsnegqp "xsnegqp" x_eo(63, 804, 16) [Vrt, Vrb] [] since Power9;
            Xsxsigqp "xsxsigqp" x_eo(63, 804, 18) [Vrt, Vrb] [] since Power9;
            Xssqrtqp "xssqrtqp" x_eo(63, 804, 27) [Vrt, Vrb] [Ro] since Power9;
            Xscvqpuwz "xscvqpuwz" x_eo(63, 836, 1) [Vrt, Vrb] [] since Power9;
            Xscvudqp "xscvudqp" x_eo(63, 836, 2) [Vrt, Vrb] [] since Power9;
            Xscvqpswz "xscvqpswz" x_eo(63, 836, 9) [Vrt, Vrb] [] since Power9;
            Xscvsdqp "xscvsdqp" x_eo(63, 836, 10) [Vrt, Vrb] [] since Power9;
            Xscvqpudz "xscvqpudz" x_eo(63, 836, 17) [Vrt, Vrb] [] since Power9;
            Xscvdpqp "xscvdpqp" x_eo(63, 836, 22) [Vrt, Vrb] [] since Power9;
            Xscvqpsdz "xscvqpsdz" x_eo(63, 836, 25) [Vrt, Vrb] [] since Power9;
            Xscvqpdp "xscvqpdp" x_eo(63, 836, 20) [Vrt, Vrb] [Ro] since Power9;
            Xsrqpi "xsrqpi" z23(63, 5) [R, Vrt, Vrb, Rmc] [Ex] since Power9;
            Xsrqpxp "xsrqpxp" z23(63, 37) [R, Vrt, Vrb, Rmc] [] since Power9;
        } $($rest)* }
    };
}
pub(super) use vsx_v3;
