#!/bin/sh
# The server is healthy when JetStream answers. On the way it does what nats-push asks for and can't do from a
# container of its own: restart a server that can't reload its new configuration. Stopped, it is started again by
# the container's restart policy; a configuration that is wrong is left alone. config/ can't be written from here, so
# what was done is noted in run/.
asked=/data/config/restart
done=/data/run/restarted
if [ -e $asked ] && ! cmp -s $asked $done && nats-server -t -c /data/config/nats.conf >/dev/null 2>&1; then
  rm -f $done && cp $asked $done && kill -TERM 1
fi
path=$(cut -d '"' -f 2 /data/config/monitoring.conf)
exec wget -q -O /dev/null "http://127.0.0.1:8222$path/healthz?js-enabled-only=true"
