// HashiCorp's server, of the minimal build with what the estate uses beside it: one database plugin, logins of pods.
package main

import (
	"os"
	"reflect"

	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	"github.com/hashicorp/vault/command"
	"github.com/hashicorp/vault/helper/builtinplugins"
	"github.com/hashicorp/vault/plugins/database/postgresql"
	"github.com/hashicorp/vault/sdk/logical"
)

func main() {
	add("databasePlugins", "postgresql-database-plugin", builtinplugins.BuiltinFactory(postgresql.New))
	add("credentialBackends", "kubernetes", logical.Factory(kubernetes.Factory))
	os.Exit(command.Run(os.Args[1:]))
}

// The registry can't be added to from outside, and the whole one brings some forty plugins more to build.
func add(kind, name string, factory any) {
	field := reflect.ValueOf(builtinplugins.Registry).Elem().FieldByName(kind)
	plugins := reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem()
	plugin := reflect.New(plugins.Type().Elem()).Elem()
	plugin.FieldByName("Factory").Set(reflect.ValueOf(factory))
	plugins.SetMapIndex(reflect.ValueOf(name), plugin)
}
