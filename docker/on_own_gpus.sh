#!/bin/bash
# on-own-gpus COUNT COMMAND …: run COMMAND with COUNT GPUs that no other container of this machine has taken this way.
# Docker shows all replicas of a service the same GPUs. A lock on a shared volume (/run/serl-gpus) marks each GPU as
# taken, and is released when the process that holds the lock ends, even if it is killed.
set -euo pipefail
count=$1 taken=()
shift
gpus=$(nvidia-smi --query-gpu=index --format=csv,noheader)
for gpu in $gpus; do
    [ "${#taken[@]}" -lt "$count" ] || break
    exec {lock}>"${SERL_GPU_LOCKS:-/run/serl-gpus}/$gpu"
    if flock --nonblock "$lock"; then taken+=("$gpu"); else exec {lock}>&-; fi
done
if [ "${#taken[@]}" -lt "$count" ]; then
    echo "on-own-gpus: ${#taken[@]} of $(wc -w <<< "$gpus") GPUs are free, expected $count; start fewer workers" >&2
    exit 1
fi
CUDA_VISIBLE_DEVICES=$(IFS=,; echo "${taken[*]}")
export CUDA_VISIBLE_DEVICES
echo "on-own-gpus: GPU $CUDA_VISIBLE_DEVICES"
exec "$@"
