# Parts of Python's own test suite: numbers, libm, packing, text, containers, threads.
tests='test_math test_struct'
[ -n "$quick" ] || tests="$tests test_cmath test_float test_int test_bool test_bigmem test_array"
PYTHONDONTWRITEBYTECODE=1 python3.11 -m test --timeout 1200 -W $tests
