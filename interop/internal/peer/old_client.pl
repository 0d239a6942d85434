# Net::XMPP, which sendxmpp is made of, logs in as before SASL.
# usage: host port tls-CA|- domain user password resource to body
use strict;
use Net::XMPP;
$| = 1;
my ($host, $port, $ca, $domain, $user, $password, $resource, $to, $body) = @ARGV;
my $c = Net::XMPP::Client->new();
$c->SetCallBacks(message => sub { my ($sid, $m) = @_; print "message ", $m->GetFrom(), ": ", $m->GetBody(), "\n"; });
my %tls = $ca eq '-' ? (tls => 0) : (tls => 1, ssl_verify => 1, ssl_ca_path => $ca);
$c->Connect(hostname => $host, port => $port, componentname => $domain, srv => 0, timeout => 10, %tls)
	or do { print "no connection\n"; exit 1 };
my @result = $c->AuthIQAuth(username => $user, password => $password, resource => $resource);
if (($result[0] // '') ne 'ok') { print "refused @result\n"; exit 1 }
print "session $user\@$domain/$resource\n";
$c->PresenceSend();
$c->MessageSend(to => $to, type => 'chat', body => $body);
1 while defined $c->Process(1);
