#!/bin/sh -e
# A world of folders. `create RUN STEP`: one named by the task, where it is not there; `list`: a line `RUN STEP` each.
mkdir -p "$0.world"
case $1 in
create) mkdir -p "$0.world/$2.$3.$KFP_POD_UID" ;;
list) for object in "$0.world"/*; do basename "$object" | cut -d. -f1,2 | tr . ' '; done ;;
esac
