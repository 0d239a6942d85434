<?php
// A client of 2005, libphp-jabber, unchanged: what PHP 8 has no more is given to
// it here. usage: host port tls-CA|- domain user password resource to body
error_reporting(E_ERROR | E_PARSE);
ob_implicit_flush();
function set_magic_quotes_runtime($on) { return true; }
function get_magic_quotes_gpc() { return false; }
if (!function_exists('mhash')) {
	define('MHASH_SHA1', 2);
	function mhash($hash, $data) { return hash('sha1', $data, true); }
}
$_SERVER['REMOTE_ADDR'] = '127.0.0.1';
$_SERVER['SERVER_SOFTWARE'] = 'PHP';
require '/usr/share/php/libphp-jabber/class.jabber.php';

list(, $host, $port, $ca, $domain, $user, $password, $resource, $to, $body) = $argv;

// Connects with TLS, which the library leaves to others, and where it is told.
class Connector extends CJP_StandardConnector {
	function OpenSocket($server, $unused) {
		global $host, $port, $ca;
		$context = stream_context_create(array('ssl' => array('cafile' => $ca, 'peer_name' => $server)));
		$scheme = $ca == '-' ? 'tcp' : 'tls';
		$this->active_socket = stream_socket_client("$scheme://$host:$port", $code, $text, 10, STREAM_CLIENT_CONNECT, $context);
		if (!$this->active_socket) { return FALSE; }
		stream_set_blocking($this->active_socket, 0);
		stream_set_timeout($this->active_socket, 31536000);
		return TRUE;
	}
}

$j = new Jabber;
$j->Jabber(); // its constructor, in the manner of PHP 4
$j->connection_class = 'Connector';
$j->server = $domain;
$j->username = $user;
$j->password = $password;
$j->resource = $resource;
if (!$j->Connect()) { print "no connection\n"; exit(1); }
if (!$j->SendAuth()) { print "refused\n"; exit(1); }
print "session {$j->jid}\n";
$j->SendPresence();
$j->SendMessage($to, 'chat', NULL, array('body' => $body));
while ($j->Listen() && !feof($j->CONNECTOR->active_socket)) {
	while ($j->packet_queue) {
		$p = array_shift($j->packet_queue);
		if (isset($p['message'])) {
			print 'message ' . $j->GetInfoFromMessageFrom($p) . ': ' . $j->GetInfoFromMessageBody($p) . "\n";
		}
	}
	usleep(50000);
}
