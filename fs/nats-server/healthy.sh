#!/bin/sh
# The server is healthy when JetStream responds. The check also serves nats-push's request for a restart, which can't be
# made from another container: to stop a server that can't reload its new configuration. The container's restart policy
# then starts it again. With a wrong configuration it is left running. config/ can't be written from here, so the request
# that was served is noted in run/.
requested=/data/config/restart
served=/data/run/restarted
if [ -e $requested ] && ! cmp -s $requested $served && nats-server -t -c /data/config/nats.conf >/dev/null 2>&1; then
  rm -f $served && cp $requested $served && kill -TERM 1
fi
path=$(cut -d '"' -f 2 /data/config/monitoring.conf)
exec wget -q -O /dev/null "http://127.0.0.1:8222$path/healthz?js-enabled-only=true"
