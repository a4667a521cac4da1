#!/bin/sh
# The recipe of docs/slurm.md on this machine: Debian's Slurm as a cluster of one node, one shard that is
# cancelled and one that is lost, and the bytes of one machine in the end.
#
#   apt-get install slurm-wlm && tests/slurm.sh        # as root, from the root of the repository
#
# Ends with 77 where no node comes up, as in a container that lacks the rights.
set -eu
tokenfleet=${TOKENFLEET:-$PWD/target/release/tokenfleet}
page=$PWD/docs/slurm.md scenario=$PWD/scenarios/coding-agents.toml
place=$(mktemp -d)
cd "$place"
mkdir state spool bin
ln -s "$tokenfleet" bin/tokenfleet
export PATH="$place/bin:$PATH" SLURM_CONF="$place/slurm.conf"
host=$(hostname -s)
cat >slurm.conf <<CONF
ClusterName=one
SlurmctldHost=$host
SlurmUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
StateSaveLocation=$place/state
SlurmdSpoolDir=$place/spool
SlurmctldPidFile=$place/slurmctld.pid
SlurmdPidFile=$place/slurmd.pid
SlurmctldLogFile=$place/slurmctld.log
SlurmdLogFile=$place/slurmd.log
MpiDefault=none
NodeName=$host CPUs=$(nproc) RealMemory=4000
PartitionName=all Nodes=$host Default=YES
CONF
mkdir -p /run/munge && chown munge /run/munge
pgrep -x munged >/dev/null || runuser -u munge -- munged
trap 'kill $(cat slurmctld.pid slurmd.pid 2>/dev/null) 2>/dev/null || true' EXIT
if ! { slurmctld && slurmd && timeout 30 sh -c "until sinfo -h -t idle 2>/dev/null | grep -q .; do sleep 1; done"; }; then
    echo "no node of Slurm comes up here: the recipe is not tested" >&2
    exit 77
fi

# The two scripts, as the page has them.
block() { awk -v want="$1" '/^```sh$/ { n++; on = 1; next } /^```$/ { on = 0 } on && n == want' "$page"; }
block 2 >shard.sbatch
block 3 >shards.sh

settled() { while [ -n "$(squeue -h)" ]; do sleep 1; done; }
tokenfleet shard plan sweep "$scenario" --over pools.main.replicas=4..11 --trials 6 --shards 8 --out plan.json
sh shards.sh plan.json found result
until running=$(squeue -h -t R -r -o %i | tail -1) && [ -n "$running" ]; do sleep 0.2; done
scancel "$running"
echo "cancelled $running"
settled
rm -f found/00003
sh shards.sh plan.json found result
settled
sh shards.sh plan.json found result >/dev/null
tokenfleet sweep "$scenario" --over pools.main.replicas=4..11 --trials 6 --quiet --out one >/dev/null
diff -r one result
echo "the same bytes in $place/result"
