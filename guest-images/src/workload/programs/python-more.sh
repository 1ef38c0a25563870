# More of them, which take long. A shell's background jobs ignore SIGINT, and what these tests start would, too.
PYTHONDONTWRITEBYTECODE=1 python3.11 -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])' -m test --timeout 3000 -W \
    test_long test_complex test_decimal test_fractions test_statistics test_random test_strtod test_format test_unicode test_bytes \
    test_re test_json test_zlib test_gzip test_bz2 test_lzma test_hashlib test_threading test_thread test_queue \
    test_mmap test_fork1 test_subprocess test_ctypes test_generators test_dict test_set test_sort test_pickle test_datetime
