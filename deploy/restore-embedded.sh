#!/bin/sh
# Put a backup in the place of a stopped centre's embedded database: deploy/restore-embedded.sh DATA FOLDER
#
# DATA is the centre's --data folder, FOLDER what backup-embedded.sh has made; it stays as it is. Nothing is
# deleted: the database that was there is kept beside the new one. Run it as the user that the centre runs as.
set -eu

[ $# = 2 ] || { echo "Say: $0 DATA FOLDER" >&2; exit 2; }
data=$1 folder=$2
[ -f "$folder/backup_manifest" ] || { echo "$folder is no backup made by backup-embedded.sh." >&2; exit 2; }

umask 077
mkdir -p "$data"
# The locks that a centre and its database hold while they live; we hold them meanwhile.
exec 8>>"$data/centre.lock" 9>>"$data/postgres.lock"
flock -n 8 && flock -n 9 || { echo "A centre or its database runs in $data: stop it first." >&2; exit 2; }

checkout=$(cd "$(dirname "$0")/.." && pwd)
"$checkout/.venv/bin/python" "$checkout/deploy/verify_backup.py" "$folder"

rm -rf "$data/postgres.restoring"
cp -a "$folder" "$data/postgres.restoring"
chmod 700 "$data/postgres.restoring"
if [ -e "$data/postgres" ]; then
    [ "$(id -u)" != 0 ] || chown -R --reference="$data/postgres" "$data/postgres.restoring"
    before=$data/postgres.before-$(date -u +%Y%m%dT%H%M%SZ)
    mv -T "$data/postgres" "$before"
    echo "What was there is kept in $before; remove it once all is well."
fi
mv -T "$data/postgres.restoring" "$data/postgres"
sync -f "$data/postgres"
echo "Restored. Start the centre: edges send again what the backup lacks."
