package db

import "io/fs"

// UseMigrations replaces the product's migrations.
func (d *DB) UseMigrations(source fs.FS) { d.source = source }
