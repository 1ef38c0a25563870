# A compiler makes a program several ways; it finds what mathematics says each time, and the compilers' output is the same twice.
build() { gcc-12 -Wall -std=c11 "$@" sample.c -o sample -lm -pthread; }
cp /programs/sample.c .
set -- '-O3 -mcpu=power8 -ffast-math -funroll-loops'
[ -n "$quick" ] || set -- "$@" -O0 '-O2 -mcpu=power8' '-Os -mno-vsx -mno-altivec'
for flags; do
    build $flags
    ./sample > said
    cat said
    grep -q '^all is right$' said
done
gcc-12 -O1 -S sample.c -o once.s
gcc-12 -O1 -S sample.c -o twice.s
cmp once.s twice.s
