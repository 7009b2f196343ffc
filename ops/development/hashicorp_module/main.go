// HashiCorp's server, of the minimal build with the one database plugin that the estate uses.
package main

import (
	"os"
	"reflect"

	"github.com/hashicorp/vault/command"
	"github.com/hashicorp/vault/helper/builtinplugins"
	"github.com/hashicorp/vault/plugins/database/postgresql"
)

func main() {
	addPostgres()
	os.Exit(command.Run(os.Args[1:]))
}

// The registry can't be added to from outside, and the whole one brings some forty plugins more to build.
func addPostgres() {
	field := reflect.ValueOf(builtinplugins.Registry).Elem().FieldByName("databasePlugins")
	plugins := reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem()
	plugin := reflect.New(plugins.Type().Elem()).Elem()
	plugin.FieldByName("Factory").Set(reflect.ValueOf(builtinplugins.BuiltinFactory(postgresql.New)))
	plugins.SetMapIndex(reflect.ValueOf("postgresql-database-plugin"), plugin)
}
