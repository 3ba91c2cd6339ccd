// Command sbom prints what a built program consists of, as CycloneDX 1.5
// (https://cyclonedx.org/docs/1.5/json/): every module with its version and
// checksum, and the Go release, as the program itself carries them.
//
//	go run ./scripts/sbom FILE VERSION
package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
)

type document struct {
	Format       string      `json:"bomFormat"`
	Spec         string      `json:"specVersion"`
	Version      int         `json:"version"`
	Metadata     metadata    `json:"metadata"`
	Components   []component `json:"components"`
	Dependencies []dependent `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Ref        string     `json:"bom-ref"`
	Type       string     `json:"type"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl"`
	Properties []property `json:"properties,omitempty"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependent struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go run ./scripts/sbom FILE VERSION")
		os.Exit(2)
	}
	info, err := buildinfo.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(describe(info, os.Args[2])); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func describe(info *debug.BuildInfo, version string) document {
	program := newComponent("application", info.Main.Path, version)
	for _, s := range info.Settings {
		if s.Key == "GOOS" || s.Key == "GOARCH" {
			program.Properties = append(program.Properties, property{s.Key, s.Value})
		}
	}
	parts := []component{newComponent("library", "stdlib", strings.TrimPrefix(info.GoVersion, "go"))}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		part := newComponent("library", module.Path, module.Version)
		part.Properties = []property{{"go.sum", module.Sum}}
		parts = append(parts, part)
	}
	all := dependent{Ref: program.Ref}
	for _, part := range parts {
		all.DependsOn = append(all.DependsOn, part.Ref)
	}
	return document{
		Format: "CycloneDX", Spec: "1.5", Version: 1,
		Metadata: metadata{program}, Components: parts, Dependencies: []dependent{all},
	}
}

// newComponent names a module as https://github.com/package-url/purl-spec says.
func newComponent(kind, path, version string) component {
	purl := "pkg:golang/" + strings.ToLower(path) + "@" + strings.ReplaceAll(version, "+", "%2B")
	return component{Ref: purl, Type: kind, Name: path, Version: version, PURL: purl}
}
