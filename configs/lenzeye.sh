#!/bin/sh
# Runs a command of app as the service's user with the service's settings: docs/deploy-vps.md. Copy it to
# /usr/local/sbin/lenzeye; then, as root:  lenzeye account list
exec systemd-run --quiet --pipe --pty --wait --collect --property=User=lenzeye --property=UMask=0077 \
  --property=WorkingDirectory=/var/lib/lenzeye --property=EnvironmentFile=-/etc/lenzeye/env \
  --setenv=APP_CONFIG=/etc/lenzeye/app.yaml --setenv=APP_DATA_DIR=/var/lib/lenzeye /usr/local/bin/app "$@"
