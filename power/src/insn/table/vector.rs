//! The vector facility, called VMX or AltiVec (Power ISA v2.07B, Book I, chapter 6).

/// Passes the rows collected so far and this file's rows on to the next list of rows.
macro_rules! vector {
    ({ $($rows:tt)* } $next:ident $($rest:ident)*) => {
        $next! { { $($rows)*
            Lvebx "lvebx" x(31, 7) [Vrt, Ra0, Rb] [];
            Lvehx "lvehx" x(31, 39) [Vrt, Ra0, Rb] [];
            Lvewx "lvewx" x(31, 71) [Vrt, Ra0, Rb] [];
            Lvx "lvx" x(31, 103) [Vrt, Ra0, Rb] [];
            Lvxl "lvxl" x(31, 359) [Vrt, Ra0, Rb] [];
            Lvsl "lvsl" x(31, 6) [Vrt, Ra0, Rb] [];
            Lvsr "lvsr" x(31, 38) [Vrt, Ra0, Rb] [];
            Stvebx "stvebx" x(31, 135) [Vrs, Ra0, Rb] [];
            Stvehx "stvehx" x(31, 167) [Vrs, Ra0, Rb] [];
            Stvewx "stvewx" x(31, 199) [Vrs, Ra0, Rb] [];
            Stvx "stvx" x(31, 231) [Vrs, Ra0, Rb] [];
            Stvxl "stvxl" x(31, 487) [Vrs, Ra0, Rb] [];

            Vpkpx "vpkpx" vx(4, 782) [Vrt, Vra, Vrb] [];
            Vpkshss "vpkshss" vx(4, 398) [Vrt, Vra, Vrb] [];
            Vpkshus "vpkshus" vx(4, 270) [Vrt, Vra, Vrb] [];
            Vpkswss "vpkswss" vx(4, 462) [Vrt, Vra, Vrb] [];
            Vpkswus "vpkswus" vx(4, 334) [Vrt, Vra, Vrb] [];
            Vpkuhum "vpkuhum" vx(4, 14) [Vrt, Vra, Vrb] [];
            Vpkuhus "vpkuhus" vx(4, 142) [Vrt, Vra, Vrb] [];
            Vpkuwum "vpkuwum" vx(4, 78) [Vrt, Vra, Vrb] [];
            Vpkuwus "vpkuwus" vx(4, 206) [Vrt, Vra, Vrb] [];
            Vpksdss "vpksdss" vx(4, 1486) [Vrt, Vra, Vrb] [];
            Vpksdus "vpksdus" vx(4, 1358) [Vrt, Vra, Vrb] [];
            Vpkudum "vpkudum" vx(4, 1102) [Vrt, Vra, Vrb] [];
            Vpkudus "vpkudus" vx(4, 1230) [Vrt, Vra, Vrb] [];

            Vupkhpx "vupkhpx" vx(4, 846) [Vrt, Vrb] [];
            Vupklpx "vupklpx" vx(4, 974) [Vrt, Vrb] [];
            Vupkhsb "vupkhsb" vx(4, 526) [Vrt, Vrb] [];
            Vupkhsh "vupkhsh" vx(4, 590) [Vrt, Vrb] [];
            Vupkhsw "vupkhsw" vx(4, 1614) [Vrt, Vrb] [];
            Vupklsb "vupklsb" vx(4, 654) [Vrt, Vrb] [];
            Vupklsh "vupklsh" vx(4, 718) [Vrt, Vrb] [];
            Vupklsw "vupklsw" vx(4, 1742) [Vrt, Vrb] [];

            Vmrghb "vmrghb" vx(4, 12) [Vrt, Vra, Vrb] [];
            Vmrghh "vmrghh" vx(4, 76) [Vrt, Vra, Vrb] [];
            Vmrghw "vmrghw" vx(4, 140) [Vrt, Vra, Vrb] [];
            Vmrglb "vmrglb" vx(4, 268) [Vrt, Vra, Vrb] [];
            Vmrglh "vmrglh" vx(4, 332) [Vrt, Vra, Vrb] [];
            Vmrglw "vmrglw" vx(4, 396) [Vrt, Vra, Vrb] [];
            Vmrgew "vmrgew" vx(4, 1932) [Vrt, Vra, Vrb] [];
            Vmrgow "vmrgow" vx(4, 1676) [Vrt, Vra, Vrb] [];

            Vspltb "vspltb" vx(4, 524) [Vrt, Vrb, Uim4] [];
            Vsplth "vsplth" vx(4, 588) [Vrt, Vrb, Uim3] [];
            Vspltw "vspltw" vx(4, 652) [Vrt, Vrb, Uim2] [];
            Vspltisb "vspltisb" vx(4, 780) [Vrt, Sim] [];
            Vspltish "vspltish" vx(4, 844) [Vrt, Sim] [];
            Vspltisw "vspltisw" vx(4, 908) [Vrt, Sim] [];
            Vperm "vperm" va(4, 43) [Vrt, Vra, Vrb, Vrc] [];
            Vsel "vsel" va(4, 42) [Vrt, Vra, Vrb, Vrc] [];
            Vpermxor "vpermxor" va(4, 45) [Vrt, Vra, Vrb, Vrc] [];
            Vsldoi "vsldoi" va(4, 44) [Vrt, Vra, Vrb, Shb] [];

            Vsl "vsl" vx(4, 452) [Vrt, Vra, Vrb] [];
            Vslo "vslo" vx(4, 1036) [Vrt, Vra, Vrb] [];
            Vsr "vsr" vx(4, 708) [Vrt, Vra, Vrb] [];
            Vsro "vsro" vx(4, 1100) [Vrt, Vra, Vrb] [];

            Vaddcuw "vaddcuw" vx(4, 384) [Vrt, Vra, Vrb] [];
            Vaddsbs "vaddsbs" vx(4, 768) [Vrt, Vra, Vrb] [];
            Vaddshs "vaddshs" vx(4, 832) [Vrt, Vra, Vrb] [];
            Vaddsws "vaddsws" vx(4, 896) [Vrt, Vra, Vrb] [];
            Vaddubm "vaddubm" vx(4, 0) [Vrt, Vra, Vrb] [];
            Vadduhm "vadduhm" vx(4, 64) [Vrt, Vra, Vrb] [];
            Vadduwm "vadduwm" vx(4, 128) [Vrt, Vra, Vrb] [];
            Vaddudm "vaddudm" vx(4, 192) [Vrt, Vra, Vrb] [];
            Vadduqm "vadduqm" vx(4, 256) [Vrt, Vra, Vrb] [];
            Vaddubs "vaddubs" vx(4, 512) [Vrt, Vra, Vrb] [];
            Vadduhs "vadduhs" vx(4, 576) [Vrt, Vra, Vrb] [];
            Vadduws "vadduws" vx(4, 640) [Vrt, Vra, Vrb] [];
            Vaddcuq "vaddcuq" vx(4, 320) [Vrt, Vra, Vrb] [];

            Vaddeuqm "vaddeuqm" va(4, 60) [Vrt, Vra, Vrb, Vrc] [];
            Vaddecuq "vaddecuq" va(4, 61) [Vrt, Vra, Vrb, Vrc] [];

            Vsubcuw "vsubcuw" vx(4, 1408) [Vrt, Vra, Vrb] [];
            Vsubsbs "vsubsbs" vx(4, 1792) [Vrt, Vra, Vrb] [];
            Vsubshs "vsubshs" vx(4, 1856) [Vrt, Vra, Vrb] [];
            Vsubsws "vsubsws" vx(4, 1920) [Vrt, Vra, Vrb] [];
            Vsububm "vsububm" vx(4, 1024) [Vrt, Vra, Vrb] [];
            Vsubuhm "vsubuhm" vx(4, 1088) [Vrt, Vra, Vrb] [];
            Vsubuwm "vsubuwm" vx(4, 1152) [Vrt, Vra, Vrb] [];
            Vsubudm "vsubudm" vx(4, 1216) [Vrt, Vra, Vrb] [];
            Vsubuqm "vsubuqm" vx(4, 1280) [Vrt, Vra, Vrb] [];
            Vsububs "vsububs" vx(4, 1536) [Vrt, Vra, Vrb] [];
            Vsubuhs "vsubuhs" vx(4, 1600) [Vrt, Vra, Vrb] [];
            Vsubuws "vsubuws" vx(4, 1664) [Vrt, Vra, Vrb] [];
            Vsubcuq "vsubcuq" vx(4, 1344) [Vrt, Vra, Vrb] [];

            Vsubeuqm "vsubeuqm" va(4, 62) [Vrt, Vra, Vrb, Vrc] [];
            Vsubecuq "vsubecuq" va(4, 63) [Vrt, Vra, Vrb, Vrc] [];

            Vmulesb "vmulesb" vx(4, 776) [Vrt, Vra, Vrb] [];
            Vmulesh "vmulesh" vx(4, 840) [Vrt, Vra, Vrb] [];
            Vmulesw "vmulesw" vx(4, 904) [Vrt, Vra, Vrb] [];
            Vmuleub "vmuleub" vx(4, 520) [Vrt, Vra, Vrb] [];
            Vmuleuh "vmuleuh" vx(4, 584) [Vrt, Vra, Vrb] [];
            Vmuleuw "vmuleuw" vx(4, 648) [Vrt, Vra, Vrb] [];
            Vmulosb "vmulosb" vx(4, 264) [Vrt, Vra, Vrb] [];
            Vmulosh "vmulosh" vx(4, 328) [Vrt, Vra, Vrb] [];
            Vmulosw "vmulosw" vx(4, 392) [Vrt, Vra, Vrb] [];
            Vmuloub "vmuloub" vx(4, 8) [Vrt, Vra, Vrb] [];
            Vmulouh "vmulouh" vx(4, 72) [Vrt, Vra, Vrb] [];
            Vmulouw "vmulouw" vx(4, 136) [Vrt, Vra, Vrb] [];
            Vmuluwm "vmuluwm" vx(4, 137) [Vrt, Vra, Vrb] [];

            Vmhaddshs "vmhaddshs" va(4, 32) [Vrt, Vra, Vrb, Vrc] [];
            Vmhraddshs "vmhraddshs" va(4, 33) [Vrt, Vra, Vrb, Vrc] [];
            Vmladduhm "vmladduhm" va(4, 34) [Vrt, Vra, Vrb, Vrc] [];
            Vmsumubm "vmsumubm" va(4, 36) [Vrt, Vra, Vrb, Vrc] [];
            Vmsummbm "vmsummbm" va(4, 37) [Vrt, Vra, Vrb, Vrc] [];
            Vmsumuhm "vmsumuhm" va(4, 38) [Vrt, Vra, Vrb, Vrc] [];
            Vmsumuhs "vmsumuhs" va(4, 39) [Vrt, Vra, Vrb, Vrc] [];
            Vmsumshm "vmsumshm" va(4, 40) [Vrt, Vra, Vrb, Vrc] [];
            Vmsumshs "vmsumshs" va(4, 41) [Vrt, Vra, Vrb, Vrc] [];

            Vsumsws "vsumsws" vx(4, 1928) [Vrt, Vra, Vrb] [];
            Vsum2sws "vsum2sws" vx(4, 1672) [Vrt, Vra, Vrb] [];
            Vsum4sbs "vsum4sbs" vx(4, 1800) [Vrt, Vra, Vrb] [];
            Vsum4shs "vsum4shs" vx(4, 1608) [Vrt, Vra, Vrb] [];
            Vsum4ubs "vsum4ubs" vx(4, 1544) [Vrt, Vra, Vrb] [];

            Vavgsb "vavgsb" vx(4, 1282) [Vrt, Vra, Vrb] [];
            Vavgsh "vavgsh" vx(4, 1346) [Vrt, Vra, Vrb] [];
            Vavgsw "vavgsw" vx(4, 1410) [Vrt, Vra, Vrb] [];
            Vavgub "vavgub" vx(4, 1026) [Vrt, Vra, Vrb] [];
            Vavguh "vavguh" vx(4, 1090) [Vrt, Vra, Vrb] [];
            Vavguw "vavguw" vx(4, 1154) [Vrt, Vra, Vrb] [];

            Vmaxsb "vmaxsb" vx(4, 258) [Vrt, Vra, Vrb] [];
            Vmaxsh "vmaxsh" vx(4, 322) [Vrt, Vra, Vrb] [];
            Vmaxsw "vmaxsw" vx(4, 386) [Vrt, Vra, Vrb] [];
            Vmaxsd "vmaxsd" vx(4, 450) [Vrt, Vra, Vrb] [];
            Vmaxub "vmaxub" vx(4, 2) [Vrt, Vra, Vrb] [];
            Vmaxuh "vmaxuh" vx(4, 66) [Vrt, Vra, Vrb] [];
            Vmaxuw "vmaxuw" vx(4, 130) [Vrt, Vra, Vrb] [];
            Vmaxud "vmaxud" vx(4, 194) [Vrt, Vra, Vrb] [];

            Vminsb "vminsb" vx(4, 770) [Vrt, Vra, Vrb] [];
            Vminsh "vminsh" vx(4, 834) [Vrt, Vra, Vrb] [];
            Vminsw "vminsw" vx(4, 898) [Vrt, Vra, Vrb] [];
            Vminsd "vminsd" vx(4, 962) [Vrt, Vra, Vrb] [];
            Vminub "vminub" vx(4, 514) [Vrt, Vra, Vrb] [];
            Vminuh "vminuh" vx(4, 578) [Vrt, Vra, Vrb] [];
            Vminuw "vminuw" vx(4, 642) [Vrt, Vra, Vrb] [];
            Vminud "vminud" vx(4, 706) [Vrt, Vra, Vrb] [];

            Vcmpequb "vcmpequb" vc(4, 6) [Vrt, Vra, Vrb] [Vc];
            Vcmpequh "vcmpequh" vc(4, 70) [Vrt, Vra, Vrb] [Vc];
            Vcmpequw "vcmpequw" vc(4, 134) [Vrt, Vra, Vrb] [Vc];
            Vcmpequd "vcmpequd" vc(4, 199) [Vrt, Vra, Vrb] [Vc];
            Vcmpgtsb "vcmpgtsb" vc(4, 774) [Vrt, Vra, Vrb] [Vc];
            Vcmpgtsh "vcmpgtsh" vc(4, 838) [Vrt, Vra, Vrb] [Vc];
            Vcmpgtsw "vcmpgtsw" vc(4, 902) [Vrt, Vra, Vrb] [Vc];
            Vcmpgtsd "vcmpgtsd" vc(4, 967) [Vrt, Vra, Vrb] [Vc];
            Vcmpgtub "vcmpgtub" vc(4, 518) [Vrt, Vra, Vrb] [Vc];
            Vcmpgtuh "vcmpgtuh" vc(4, 582) [Vrt, Vra, Vrb] [Vc];
            Vcmpgtuw "vcmpgtuw" vc(4, 646) [Vrt, Vra, Vrb] [Vc];
            Vcmpgtud "vcmpgtud" vc(4, 711) [Vrt, Vra, Vrb] [Vc];
            Vcmpbfp "vcmpbfp" vc(4, 966) [Vrt, Vra, Vrb] [Vc];
            Vcmpeqfp "vcmpeqfp" vc(4, 198) [Vrt, Vra, Vrb] [Vc];
            Vcmpgefp "vcmpgefp" vc(4, 454) [Vrt, Vra, Vrb] [Vc];
            Vcmpgtfp "vcmpgtfp" vc(4, 710) [Vrt, Vra, Vrb] [Vc];

            Vand "vand" vx(4, 1028) [Vrt, Vra, Vrb] [];
            Vandc "vandc" vx(4, 1092) [Vrt, Vra, Vrb] [];
            Veqv "veqv" vx(4, 1668) [Vrt, Vra, Vrb] [];
            Vnand "vnand" vx(4, 1412) [Vrt, Vra, Vrb] [];
            Vorc "vorc" vx(4, 1348) [Vrt, Vra, Vrb] [];
            Vnor "vnor" vx(4, 1284) [Vrt, Vra, Vrb] [];
            Vor "vor" vx(4, 1156) [Vrt, Vra, Vrb] [];
            Vxor "vxor" vx(4, 1220) [Vrt, Vra, Vrb] [];

            Vrlb "vrlb" vx(4, 4) [Vrt, Vra, Vrb] [];
            Vrlh "vrlh" vx(4, 68) [Vrt, Vra, Vrb] [];
            Vrlw "vrlw" vx(4, 132) [Vrt, Vra, Vrb] [];
            Vrld "vrld" vx(4, 196) [Vrt, Vra, Vrb] [];
            Vslb "vslb" vx(4, 260) [Vrt, Vra, Vrb] [];
            Vslh "vslh" vx(4, 324) [Vrt, Vra, Vrb] [];
            Vslw "vslw" vx(4, 388) [Vrt, Vra, Vrb] [];
            Vsld "vsld" vx(4, 1476) [Vrt, Vra, Vrb] [];
            Vsrb "vsrb" vx(4, 516) [Vrt, Vra, Vrb] [];
            Vsrh "vsrh" vx(4, 580) [Vrt, Vra, Vrb] [];
            Vsrw "vsrw" vx(4, 644) [Vrt, Vra, Vrb] [];
            Vsrd "vsrd" vx(4, 1732) [Vrt, Vra, Vrb] [];
            Vsrab "vsrab" vx(4, 772) [Vrt, Vra, Vrb] [];
            Vsrah "vsrah" vx(4, 836) [Vrt, Vra, Vrb] [];
            Vsraw "vsraw" vx(4, 900) [Vrt, Vra, Vrb] [];
            Vsrad "vsrad" vx(4, 964) [Vrt, Vra, Vrb] [];

            Vaddfp "vaddfp" vx(4, 10) [Vrt, Vra, Vrb] [];
            Vsubfp "vsubfp" vx(4, 74) [Vrt, Vra, Vrb] [];
            Vmaxfp "vmaxfp" vx(4, 1034) [Vrt, Vra, Vrb] [];
            Vminfp "vminfp" vx(4, 1098) [Vrt, Vra, Vrb] [];
            Vmaddfp "vmaddfp" va(4, 46) [Vrt, Vra, Vrc, Vrb] [];
            Vnmsubfp "vnmsubfp" va(4, 47) [Vrt, Vra, Vrc, Vrb] [];
            Vctsxs "vctsxs" vx(4, 970) [Vrt, Vrb, Uim5] [];
            Vctuxs "vctuxs" vx(4, 906) [Vrt, Vrb, Uim5] [];
            Vcfsx "vcfsx" vx(4, 842) [Vrt, Vrb, Uim5] [];
            Vcfux "vcfux" vx(4, 778) [Vrt, Vrb, Uim5] [];

            Vrfim "vrfim" vx(4, 714) [Vrt, Vrb] [];
            Vrfin "vrfin" vx(4, 522) [Vrt, Vrb] [];
            Vrfip "vrfip" vx(4, 650) [Vrt, Vrb] [];
            Vrfiz "vrfiz" vx(4, 586) [Vrt, Vrb] [];
            Vexptefp "vexptefp" vx(4, 394) [Vrt, Vrb] [];
            Vlogefp "vlogefp" vx(4, 458) [Vrt, Vrb] [];
            Vrefp "vrefp" vx(4, 266) [Vrt, Vrb] [];
            Vrsqrtefp "vrsqrtefp" vx(4, 330) [Vrt, Vrb] [];

            Vcipher "vcipher" vx(4, 1288) [Vrt, Vra, Vrb] [];
            Vcipherlast "vcipherlast" vx(4, 1289) [Vrt, Vra, Vrb] [];
            Vncipher "vncipher" vx(4, 1352) [Vrt, Vra, Vrb] [];
            Vncipherlast "vncipherlast" vx(4, 1353) [Vrt, Vra, Vrb] [];
            Vsbox "vsbox" vx(4, 1480) [Vrt, Vra] [];
            Vshasigmaw "vshasigmaw" vx(4, 1666) [Vrt, Vra, St, Six] [];
            Vshasigmad "vshasigmad" vx(4, 1730) [Vrt, Vra, St, Six] [];

            Vpmsumb "vpmsumb" vx(4, 1032) [Vrt, Vra, Vrb] [];
            Vpmsumh "vpmsumh" vx(4, 1096) [Vrt, Vra, Vrb] [];
            Vpmsumw "vpmsumw" vx(4, 1160) [Vrt, Vra, Vrb] [];
            Vpmsumd "vpmsumd" vx(4, 1224) [Vrt, Vra, Vrb] [];
            Vbpermq "vbpermq" vx(4, 1356) [Vrt, Vra, Vrb] [];

            Vgbbd "vgbbd" vx(4, 1292) [Vrt, Vrb] [];
            Vclzb "vclzb" vx(4, 1794) [Vrt, Vrb] [];
            Vclzh "vclzh" vx(4, 1858) [Vrt, Vrb] [];
            Vclzw "vclzw" vx(4, 1922) [Vrt, Vrb] [];
            Vclzd "vclzd" vx(4, 1986) [Vrt, Vrb] [];
            Vpopcntb "vpopcntb" vx(4, 1795) [Vrt, Vrb] [];
            Vpopcnth "vpopcnth" vx(4, 1859) [Vrt, Vrb] [];
            Vpopcntw "vpopcntw" vx(4, 1923) [Vrt, Vrb] [];
            Vpopcntd "vpopcntd" vx(4, 1987) [Vrt, Vrb] [];

            Bcdadd "bcdadd." bcd(4, 1) [Vrt, Vra, Vrb, Ps] [];
            Bcdsub "bcdsub." bcd(4, 65) [Vrt, Vra, Vrb, Ps] [];
            Mtvscr "mtvscr" vx(4, 1604) [Vrb] [];
            Mfvscr "mfvscr" vx(4, 1540) [Vrt] [];
        } $($rest)* }
    };
}
pub(super) use vector;
