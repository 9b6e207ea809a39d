package main

import "maps"

// helpTexts are what --help says; the tags hold their keys.
var helpTexts = map[string]text{
	"help.cardside": {
		"Prépare, vérifie et dépanne l'application FIDO2 d'une CPS4 dans un lecteur à contact. Aucun code n'est jamais un argument : il se saisit sans écho, ou se lit par --pin-fd.",
		"Prepares, proves and diagnoses the FIDO2 application of a CPS4 in a contact reader. A PIN is never an argument: it is typed without echo, or read through --pin-fd.",
	},
	"help.flag":                 {"Cette aide, ou celle d'une commande.", "This help, or a command's."},
	"help.reader":               {"Nom du lecteur, ou une partie que lui seul porte.", "The reader's name, or a part that only it has."},
	"help.key":                  {"Une clé de sécurité USB au lieu d'une carte (chemin donné par « readers »).", "A security key on USB instead of a card (its path as “readers” gives it)."},
	"help.engine":               {"Façon de parler à la carte : auto, ctap2 (la nôtre) ou libfido2 (second avis).", "How to speak to the card: auto, ctap2 (our own) or libfido2 (a second opinion)."},
	"help.timeout":              {"Combien de temps attendre une carte.", "How long to wait for a card."},
	"help.json":                 {"Résultats en JSON.", "Results as JSON."},
	"help.lang":                 {"Langue : fr ou en.", "Language: fr or en."},
	"help.protocol":             {"Protocole de transmission : any, t0 ou t1.", "Transmission protocol: any, t0 or t1."},
	"help.apdu":                 {"Longueur des échanges : auto, short ou extended.", "Length of exchanges: auto, short or extended."},
	"help.module":               {"Module PKCS#11, chemin complet (défaut : la Cryptolib CPS).", "PKCS#11 module, full path (default: the Cryptolib CPS)."},
	"help.pin-fd":               {"Descripteur de fichier où lire le code, une ligne.", "File descriptor to read the PIN from, one line."},
	"help.new-pin-fd":           {"Descripteur du nouveau code (défaut : la ligne suivante de --pin-fd).", "Descriptor of the new PIN (default: the next line of --pin-fd)."},
	"help.spend-last-try":       {"Utiliser aussi le dernier essai du code.", "Spend even the last PIN try."},
	"help.accept-non-canonical": {"Accepter une carte qui se présente incorrectement.", "Accept a card that introduces itself incorrectly."},

	"help.readers":          {"Lecteurs et cartes de ce poste.", "Readers and cards of this workstation."},
	"help.readers-live":     {"Suivre les changements.", "Follow changes."},
	"help.info":             {"Tout ce que dit la carte.", "Everything that the card says."},
	"help.info-record":      {"Enregistrer l'échange dans ce fichier, qui ne doit pas exister.", "Record the exchange in this file, which must not exist."},
	"help.info-replay":      {"Montrer ce que disait la carte d'un échange enregistré.", "Show what the card of a recorded exchange said."},
	"help.doctor":           {"Vérifier ce poste de bout en bout.", "Check this workstation from end to end."},
	"help.doctor-server":    {"Adresse du serveur à joindre (https).", "Address of the server to reach (https)."},
	"help.doctor-server-ca": {"Autorité du serveur (PEM) au lieu de celles du système.", "The server's authority (PEM) instead of the system's."},
	"help.enroll": {
		"Enrôler la carte insérée pour le ticket ouvert au guichet. La carte prouve à qui elle est par son certificat (code porteur), puis la personne choisit son code FIDO2, qui ne quitte pas ce poste. Ne retirez pas la carte avant la fin. Une carte qui a déjà un code le garde s'il est connu et assez sûr. En cas d'échec, la dernière ligne dit ce qui reste sur la carte.",
		"Enrol the card in the reader for the ticket opened at the desk. The card proves whose it is by its certificate (holder code), then the person chooses a FIDO2 PIN, which does not leave this workstation. Leave the card in until the end. A card that has a PIN keeps it if it is known and good enough. After a failure, the last line says what is left on the card.",
	},
	"help.enroll-code":        {"Code du ticket, avec ou sans tiret, en majuscules ou minuscules.", "The ticket's code, with or without its hyphen, in any case."},
	"help.enroll-workstation": {"Nom de ce poste pour le guichet (défaut : celui de la machine).", "This workstation's name at the desk (default: its host name)."},
	"help.card-pin-fd":        {"Descripteur où lire le code porteur de la carte (CPx, 4 chiffres), une ligne.", "File descriptor to read the card's holder code from (CPx, 4 digits), one line."},
	"help.enroll-new-pin-fd":  {"Descripteur du code FIDO2 à choisir (défaut : --pin-fd, une ligne après le code actuel s'il y en a un).", "Descriptor of the FIDO2 PIN to choose (default: --pin-fd, one line after the current PIN if there is one)."},
	"help.first-pin-fd":       {"Descripteur où écrire le premier code tiré au sort, si les règles du guichet le veulent (défaut : le terminal).", "Descriptor to write the first PIN to, where the desk's rules have one drawn (default: the terminal)."},
	"help.enroll-erase":       {"Si la carte porte déjà un code ou des clés FIDO2, les effacer d'abord, dès que le guichet l'autorise. Les certificats restent.", "If the card holds a FIDO2 PIN or keys already, erase them first, once the desk allows it. Certificates stay."},
	"help.server-within":      {"Combien de temps le serveur peut rester sans répondre au milieu d'un enrôlement.", "How long the server may not answer in the middle of an enrolment."},
	"help.config":             {"Réglages de ce poste, YAML : server, server-ca, workstation, module (défaut : /etc/cardside.yaml, s'il existe). Un drapeau passe avant CARDSIDE_SERVER et les autres variables, qui passent avant ce fichier.", "This workstation's settings, YAML: server, server-ca, workstation, module (default: /etc/cardside.yaml, if there is one). A flag counts before CARDSIDE_SERVER and the other variables, those before this file."},
	"help.pin":                {"Le code FIDO2 de la carte.", "The card's FIDO2 PIN."},
	"help.pin-set":            {"Choisir le premier code d'une carte vierge.", "Choose the first PIN of a blank card."},
	"help.pin-change":         {"Changer de code.", "Change the PIN."},
	"help.make":               {"Créer une clé pour un site, pour essai.", "Make a key for a site, as a test."},
	"help.assert": {
		"Signer pour un site donné par --rp, pour essai ; ou se connecter au serveur comme le ferait un navigateur, puis se déconnecter.",
		"Sign for a site given by --rp, as a test; or sign in at the server as a browser would, and out again.",
	},
	"help.assert-rp":      {"Nom de domaine du site (RP ID). Sans lui, se connecter à --server.", "The site's domain name (RP ID). Without it, sign in at --server."},
	"help.stay":           {"Garder la session ouverte jusqu'à ce que le serveur la termine (code de sortie 14), ou Ctrl-C.", "Keep the session open until the server ends it (exit code 14), or Ctrl-C."},
	"help.rp":             {"Nom de domaine du site (RP ID).", "The site's domain name (RP ID)."},
	"help.rp-name":        {"Nom du site.", "The site's name."},
	"help.user":           {"Nom du compte.", "The account's name."},
	"help.display-name":   {"Nom affiché du compte.", "The account's displayed name."},
	"help.user-id":        {"Identifiant du compte (défaut : au hasard).", "The account's identifier (default: at random)."},
	"help.resident":       {"Garder la clé dans la carte.", "Keep the key on the card."},
	"help.cred-protect":   {"Protection de la clé (credProtect) : 0 à 3.", "Protection of the key (credProtect): 0 to 3."},
	"help.exclude":        {"Refuser si la carte porte déjà cette clé (répétable).", "Refuse if the card holds this key already (repeatable)."},
	"help.algorithm":      {"Signatures voulues, par préférence.", "Signatures wanted, in order of preference."},
	"help.enterprise":     {"Attestation d'entreprise : 1 ou 2.", "Enterprise attestation: 1 or 2."},
	"help.min-pin-length": {"Demander la longueur minimale du code.", "Ask for the least PIN length."},
	"help.set-pin":        {"Sur une carte vierge, choisir d'abord le code.", "On a blank card, choose the PIN first."},
	"help.prove":          {"Signer une fois avec la nouvelle clé.", "Sign once with the new key."},
	"help.allow":          {"Clé à utiliser (répétable ; défaut : celles que la carte trouve).", "Key to use (repeatable; default: those that the card finds)."},
	"help.public-key":     {"Clé publique (COSE) pour vérifier la signature.", "Public key (COSE) to check the signature with."},
	"help.silent":         {"Sans présence ni code : pour chercher une clé.", "Without presence or PIN: to look for a key."},

	"help.credentials":        {"Les clés gardées dans la carte.", "The keys kept on the card."},
	"help.credentials-list":   {"Lister les clés.", "List the keys."},
	"help.credentials-delete": {"Supprimer une clé.", "Delete a key."},
	"help.credential-id":      {"Identifiant de la clé, comme l'écrit « list ».", "The key's identifier, as “list” writes it."},
	"help.reset":              {"Effacer l'application FIDO2 : code et clés.", "Erase the FIDO2 application: PIN and keys."},
	"help.reset-really":       {"Confirme que cette carte doit vraiment être effacée.", "Confirms that this card is really to be erased."},
	"help.watch":              {"Insertions et retraits, une ligne de JSON chacun.", "Insertions and removals, one line of JSON each."},
	"help.help":               {"Aide sur un sujet.", "Help on a subject."},
	"help.help-enroll":        {"Enrôler une carte au guichet, pas à pas.", "Enrolling a card at the desk, step by step."},
	"help.exit-codes":         {"Les codes de sortie et leurs raisons.", "The exit codes and their reasons."},
}

// allTexts are texts and helpTexts.
var allTexts = func() map[string]text {
	all := maps.Clone(texts)
	maps.Copy(all, helpTexts)
	return all
}()
