# Keeps a copy of guest memory up to date by the dirty log alone, while processors store. Whenever they stand still, the copy must be what
# memory is: a page that a log has left out, and that was not stored to again since, is a difference.

# Copies the pages of the next log.
harvest() {
    pteg ctl --json socket dirty >log || fail "no log"
    awk '/"start":/ { gsub(/[^0-9]/, ""); start = $0 } /"length":/ { gsub(/[^0-9]/, ""); print start / 4096, $0 / 4096 }' log >runs
    while read start length; do
        dd if=$ram of=copy bs=4096 skip=$start seek=$start count=$length conv=notrunc 2>/dev/null || fail "no copy"
    done <runs
}
start
pteg ctl socket dirty --start || fail "no start"
cat $ram >copy || fail "no copy"
looks=0
while [ $looks -lt $((5 + often / 10)) ]; do
    harvest
    harvest
    pages=$(awk '/"pages":/ { gsub(/[^0-9]/, ""); print }' log)
    # Of 32,768, or 2,048 of a host with large ones.
    [ "$pages" -gt 0 ] && [ "$pages" -lt 200 ] || fail "a log is of $pages pages"
    pteg ctl socket pause || fail "no pause"
    harvest
    cmp copy $ram || fail "the copy is not what memory is"
    pteg ctl socket resume || fail "it does not go on"
    looks=$((looks + 1))
done
pteg ctl socket dirty --stop || fail "no stop"
echo "the same at $looks looks"
end
