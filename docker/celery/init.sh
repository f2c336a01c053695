#!/usr/bin/env bash
# Before anything else starts: look at the data folder, make the database, write down who may log in.
set -euo pipefail

if ! [[ -r /data && -w /data && -x /data ]]; then
  printf '%s\n' "The stages run as user $(id -u) with the groups $(id -G), who may not write into $DATA. On the host:" \
    "  sudo chgrp $DATA_GID '$DATA' && sudo chmod 2775 '$DATA'" >&2
  exit 1
fi

airflow db migrate

umask 077
python -c 'import json, os; print(json.dumps({"admin": os.environ["ADMIN_PASSWORD"]}))' > "$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
