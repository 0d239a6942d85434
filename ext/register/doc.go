// Package register implements in-band registration (XEP-0077): making, changing
// and removing accounts of servers, and registrations with other services.
//
// [Fields], [Register], [ChangePassword] and [Remove] are for clients. [Server] is
// what a server does with such requests. [Service] is an extension for
// everything else that people can register with, such as gateways.
package register
