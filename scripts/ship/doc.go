// Package ship proves by its tests that what takes the program to where it runs
// fits both: Procfile, render.yaml, Dockerfile, the systemd unit and the
// workflows are held to the program's settings and commands; the files of the
// image are built, and the program is started in a chroot of them; scripts/deploy,
// scripts/release and scripts/dev are run.
//
// The package itself is empty and imports nothing; its tests may import config.
package ship
