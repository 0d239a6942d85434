package corpus

import "strings"

var (
	locals = strings.Fields(`
		romeo juliet mercutio benvolio nurse tybalt alice bob carol dave erin frank grace heidi ivan judy
		mallory niaj olivia peggy rupert sybil trent victor walter jörg françois søren`)
	domains = strings.Fields(`
		example.org example.net montague.example capulet.example chat.example.com xmpp.example.de
		jabber.example.fr`)
	rooms     = strings.Fields("lounge operators go-devel xsf random support team-blue verona")
	resources = strings.Fields(`
		Conversations.9xQz gajim.8K3J1QAZ Dino.7fe2 phone laptop Psi+ Movim BeagleIM monal-ios.3f2 kaidan`)
	words = map[string][]string{
		"en": strings.Fields(`
		the a to of and in is it you that he was for on are with as I his they be at one have this from or had
		by hot but some what there we can out other were all your when up use word how said an each she which do
		their time if will way about many then them would write like so these her long make thing see him two
		has look more day could go come did my sound no most number who over know water than call first people
		may down side been now find any new work part take get place made live where after back little only
		round man year came show every good me give our under name very through just form much great think say
		help low line before turn cause same mean differ move right boy old too does tell sentence set three
		want air well also play small end put home read hand port large spell add even land here must big high
		such follow act why ask men change went light kind off need house picture try us again animal point
		mother world near build self earth father meeting tomorrow server deploy lunch OK lol yes`),
		"de": strings.Fields(`
		der die das und ich nicht wir für über später können möchte größer Straße heute morgen schön natürlich
		vielleicht Übung Grüße treffen schöne Tür müssen hätte wäre zurück Büro Schlüssel Glück früh Abend essen`),
		"fr": strings.Fields(`
		je tu nous être déjà très français où ça va bientôt réunion demain après-midi peut-être élève été hôtel
		garçon cœur naïve pâté forêt à propos`),
		"ru": strings.Fields(`
		привет как дела сегодня завтра встреча сервер работает хорошо спасибо пожалуйста когда где потом
		сообщение новый друг время вечер утро проект`),
		"zh": strings.Fields("你好 今天 我们 会议 明天 谢谢 没问题 服务器 消息 什么 时候 可以 请 看 一下 已经 完成 吃饭 早上好 再见"),
		"ja": strings.Fields("こんにちは ありがとう 今日 明日 会議 サーバー 大丈夫 です ます お願いします メッセージ 新しい 時間"),
		"ar": strings.Fields("مرحبا كيف حالك اليوم غدا شكرا من فضلك رسالة جديد صديق وقت"),
	}
	languages = []string{"en", "en", "en", "en", "en", "en", "en", "de", "de", "fr", "ru", "zh", "ja", "ar"}
	emoji     = []string{"😀", "😂", "👍", "🎉", "❤️", "🙏", "🔥", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🤷🏽‍♀️", "☕", "🚀"}
	specials  = []string{"&", "<3", "->", "\"quoted\"", "it's", "don't", "R&D", "a < b && b > c", "https://example.org/?a=1&b=2#frag", ">_<", "\n", "> quoted reply\n"}
	versions  = []string{"k07HuT8uBtGQiGLEbuIiLjuiV8E=", "q07IKJEyjvHSyhy//CH0CxmKi8w=", "GNjxthSckUNvAIoCCJFttjl6VL8=",
		"dDFfCzLAtIDsA3sYEVj8BUSrRzk=", "TKFgsmCUDzZlCxHzxrmEwqn9N9c="}
	clients  = []string{"http://conversations.im", "http://gajim.org", "https://dino.im", "http://psi-plus.com", "https://movim.eu"}
	features = strings.Fields(`
		http://jabber.org/protocol/disco#info http://jabber.org/protocol/disco#items
		http://jabber.org/protocol/muc http://jabber.org/protocol/muc#user http://jabber.org/protocol/muc#owner
		http://jabber.org/protocol/muc#admin http://jabber.org/protocol/chatstates
		http://jabber.org/protocol/caps http://jabber.org/protocol/commands http://jabber.org/protocol/rosterx
		http://jabber.org/protocol/xhtml-im http://jabber.org/protocol/si http://jabber.org/protocol/bytestreams
		http://jabber.org/protocol/ibb http://jabber.org/protocol/tune http://jabber.org/protocol/tune+notify
		http://jabber.org/protocol/nick http://jabber.org/protocol/nick+notify http://jabber.org/protocol/mood
		http://jabber.org/protocol/activity jabber:iq:version jabber:iq:last jabber:iq:register
		jabber:iq:privacy jabber:x:conference jabber:x:data jabber:x:oob vcard-temp urn:xmpp:ping urn:xmpp:time
		urn:xmpp:receipts urn:xmpp:chat-markers:0 urn:xmpp:delay urn:xmpp:mam:2 urn:xmpp:mam:2#extended
		urn:xmpp:carbons:2 urn:xmpp:blocking urn:xmpp:push:0 urn:xmpp:sid:0 urn:xmpp:hints
		urn:xmpp:message-correct:0 urn:xmpp:message-retract:1 urn:xmpp:reactions:0 urn:xmpp:reply:0
		urn:xmpp:fallback:0 urn:xmpp:spoiler:0 urn:xmpp:styling:0 urn:xmpp:http:upload:0 urn:xmpp:jingle:1
		urn:xmpp:jingle:apps:rtp:1 urn:xmpp:jingle:apps:rtp:audio urn:xmpp:jingle:apps:rtp:video
		urn:xmpp:jingle:apps:dtls:0 urn:xmpp:jingle:transports:ice-udp:1 urn:xmpp:jingle:transports:s5b:1
		urn:xmpp:jingle:transports:ibb:1 urn:xmpp:jingle-message:0 urn:xmpp:avatar:metadata+notify
		urn:xmpp:bookmarks:1+notify eu.siacs.conversations.axolotl.devicelist+notify
		urn:xmpp:omemo:2:devices+notify http://jabber.org/protocol/pubsub
		http://jabber.org/protocol/pubsub#publish http://jabber.org/protocol/pubsub+notify`)
)
