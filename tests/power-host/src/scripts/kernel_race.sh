# The race of removals where the host's kernel answers the hypercalls: it leaves stale translations, and the guest program must see
# that. Its verdict is another one than that on pteg.

pteg run --accel $accel --smp 2 --mem 64M --kernel-hcalls --kernel stale_translations-le --append "tries=$((2000 * often))" >output
status=$?
sed 's/^VERDICT/of the kernel:/' output
exit $status
