# A guest program that reboots, or is reset while a processor loads from what is no memory, finds nothing of the life before.

fail() {
    echo "$*"
    cat output
    kill $pteg
    exit 1
}
# Until the guest has said $2 so many times, $1.
await() {
    left=1500
    while [ "$(grep -c "^$2" output)" -lt $1 ]; do
        left=$((left - 1))
        [ $left -gt 0 ] && kill -0 $pteg 2>/dev/null || fail "it does not say $2 $1 times"
        sleep 0.2
    done
}
for order in be le; do
    rm -f typed output socket
    mkfifo typed || exit
    pteg run --accel $accel --irqchip ${irqchip:-auto} --smp 2 --mem 64M --control socket --kernel lives-$order <typed >output 2>&1 &
    pteg=$!
    exec 3>typed
    life=1
    loads=0
    await $life waits
    while [ $life -lt $((5 + often)) ]; do
        # Emulated processors have a machine check there.
        if [ $accel = kvm ] && [ $((life % 3)) != 0 ]; then
            printf l >&3
            loads=$((loads + 1))
            await $loads loads
            pteg ctl socket reset || fail "no reset"
        else
            printf r >&3
        fi
        life=$((life + 1))
        await $life waits
    done
    printf '\004' >&3
    wait $pteg || fail "it ends with $?"
    grep VERDICT output
done
