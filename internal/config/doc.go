// Package config holds every setting of the program: one struct tree, Config, and beside it one table that gives
// each key its variable, default, unit, allowed range and meaning.
//
// It hides where a value comes from. Load reads all sources once, by the precedence flag, environment, env file,
// YAML file, default, and returns a typed tree or every bad key and value at once, as Problems. What follows from
// several settings is a method of Config, so that no caller combines them again.
//
// It promises that a Secret shows its value only through Reveal, that no Problem repeats a secret, that an unknown
// YAML key, flag or APP_ variable is a Problem and never ignored, and that the table, docs/configuration.md and
// configs/app.example.yaml agree.
//
// It imports the standard library and viper, which reads the YAML file and keeps the merged values, and nothing of
// this module. Only cmd/app imports it; all other packages take plain options.
package config
