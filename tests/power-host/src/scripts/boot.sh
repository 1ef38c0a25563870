# Runs a command that boots a guest, and says when the guest's first process has its say: `boot SECONDS`.

now() {
    cut -d ' ' -f 1 /proc/uptime
}
boot() {
    began=$(now)
    "$@" </dev/null 2>&1 | {
        status=1
        while read -r line; do
            echo "$line"
            case $line in
            *"guest: is up"*)
                echo "$began $(now)" | awk '{ printf "boot %.2f\n", $2 - $1 }'
                status=0
                ;;
            esac
        done
        exit $status
    }
}
