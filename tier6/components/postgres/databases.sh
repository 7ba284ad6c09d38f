#!/bin/sh
# Makes each database and its owner where they are not there, after every start: an init script of the image would run on
# an empty volume only, and not again where it was interrupted.
set -eu
until pg_isready --quiet --host 127.0.0.1; do sleep 1; done
ensure() {
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres --set name="$1" --set password="$2" <<'SQL'
SELECT format('CREATE ROLE %I LOGIN', :'name') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', :'name', :'password') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name') WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
SQL
}
ensure mlflow "$MLFLOW_PASSWORD"
ensure iceberg "$ICEBERG_PASSWORD"
ensure katib "$KATIB_PASSWORD"
