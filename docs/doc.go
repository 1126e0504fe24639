// Package docs holds the documentation; the pages of the checks are generated.
package docs

//go:generate go run ./generate
