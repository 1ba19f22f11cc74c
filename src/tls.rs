//! Keys and certificates: one cluster key makes a certificate authority, the authority makes
//! every node's certificate.
//!
//! A [`ClusterKey`] is the whole credential of a cluster: 32 secret bytes and a name. Every node
//! derives the *same* Ed25519 authority from it, byte for byte, and issues its own leaf, so nothing
//! has to be distributed, renewed or kept online. A [`NodeKey`] is who a node is: its id is the
//! hash of its public key. An [`Identity`] joins the two and builds what QUIC needs.
//!
//! What it keeps true: TLS 1.3 only, both sides authenticated, one authority trusted; no session
//! is resumed (a resumed session would skip the certificate) and no 0-RTT data is accepted (it can
//! be replayed); a peer's id is taken from its key and must also stand in its certificate.
//!
//! What it does not do: it draws no randomness and reads no clock. Certificates are valid from 2020
//! to 2099 and are checked against a fixed date, since whoever holds the cluster key can issue new
//! ones: an expiry date would protect nobody, and stop a machine that boots with a wrong clock.
//! There is no revocation: a stolen cluster key means a new cluster key.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionError, TransportErrorCode};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, date_time_ymd,
};
use ring::{digest, hkdf, hmac};
use rustls::client::{Resumption, verify_server_name};
use rustls::crypto::{CryptoProvider, ring as provider};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer,
    UnixTime,
};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The protocol of peer connections, told in the handshake (ALPN). A peer that speaks another
/// major version is refused there.
const ALPN: &[u8] = b"chickadee/1";

/// Names under this suffix can never resolve (RFC 2606): they name keys, not machines.
const SUFFIX: &str = "chickadee.invalid";

const PREFIX: &str = "chk1";
const NAME_BYTES_MAX: usize = 32;
const SECRET_CHARS: usize = 52;
const CHECKSUM_CHARS: usize = 8;

// ---------------------------------------------------------------------------------------------
// The cluster key
// ---------------------------------------------------------------------------------------------

/// The secret that makes a node a member of a cluster, with the cluster's name.
///
/// Its text is `chk1-<name>-<52 base32 characters>-<8 hexadecimal digits>`; the last part is a
/// checksum against typing errors, not a protection.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterKey {
    name: String,
    secret: [u8; 32],
}

/// Why a text is not a cluster key. Never contains any of the text: it may be most of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no key: the text or file has only blank lines and comments.
    #[error("there is no cluster key in it; `chickadee key new` makes one")]
    Empty,
    /// It does not begin as a cluster key does.
    #[error("a cluster key begins with `chk1-`; this is something else")]
    Prefix,
    /// The cluster's name is not one.
    #[error(
        "the cluster name must be 1 to 32 of a-z, 0-9 and `-`, with a letter or digit at both ends"
    )]
    Name,
    /// A part is missing, or is longer or shorter than it can be.
    #[error("the key is too long or too short: was a part of it lost?")]
    Length,
    /// A character that cannot stand where it stands.
    #[error("the key holds a character that does not belong there: mistyped?")]
    Character,
    /// All parts have their form, but they do not fit one another.
    #[error("the key's checksum does not fit: mistyped?")]
    Checksum,
    /// A second key where only one is allowed.
    #[error("the file holds more than one cluster key")]
    SecondKey,
}

impl ClusterKey {
    /// Makes a key for the cluster `name` of 32 bytes, which must come from a good random source.
    ///
    /// # Errors
    /// [`KeyError::Name`] if the name is not 1 to 32 of `[a-z0-9-]`, beginning and ending with a
    /// letter or digit (it becomes a label of a DNS name).
    pub fn generate(name: &str, bytes: [u8; 32]) -> Result<ClusterKey, KeyError> {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let inside = !name.starts_with('-') && !name.ends_with('-');
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !inside || !name.bytes().all(allowed) {
            return Err(KeyError::Name);
        }
        Ok(ClusterKey { name: name.to_owned(), secret: bytes })
    }

    /// Reads the text form; white space around it is ignored.
    ///
    /// # Errors
    /// A [`KeyError`] that says what is wrong without repeating the text.
    pub fn parse(text: &str) -> Result<ClusterKey, KeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        let rest = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('-'));
        let rest = rest.ok_or(KeyError::Prefix)?;
        // From the right, since the name may hold the separator.
        let (rest, checksum) = rest.rsplit_once('-').ok_or(KeyError::Length)?;
        let (name, secret) = rest.rsplit_once('-').ok_or(KeyError::Length)?;
        if secret.len() != SECRET_CHARS || checksum.len() != CHECKSUM_CHARS {
            return Err(KeyError::Length);
        }
        let secret = base32_decode(secret).ok_or(KeyError::Character)?;
        let key = ClusterKey::generate(name, secret)?;
        match key.to_text() == text {
            true => Ok(key),
            false => Err(KeyError::Checksum),
        }
    }

    /// Reads a key file: blank lines and lines that begin with `#` are skipped, one key remains.
    ///
    /// # Errors
    /// As [`parse`](Self::parse); [`KeyError::SecondKey`] if another line follows the key (reserved
    /// for the rotation of keys).
    pub fn parse_file_text(text: &str) -> Result<ClusterKey, KeyError> {
        // Some editors begin a file with a byte order mark, and none shows it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let key = ClusterKey::parse(lines.next().ok_or(KeyError::Empty)?)?;
        match lines.next() {
            None => Ok(key),
            Some(_) => Err(KeyError::SecondKey),
        }
    }

    /// The text form, **with the secret**: for the key file, never for a log.
    pub fn to_text(&self) -> String {
        let body = format!("{PREFIX}-{}-{}", self.name, base32_encode(&self.secret));
        let checksum = digest::digest(&digest::SHA256, body.as_bytes());
        format!("{body}-{}", hex(&checksum.as_ref()[..CHECKSUM_CHARS / 2]))
    }

    /// Keys the hashes of entries' keys: the same in the whole cluster, unknown outside.
    pub fn hash_seed(&self) -> u64 {
        u64::from_le_bytes(derive(&self.secret, &[b"entry hash"]))
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn authority(&self) -> Authority {
        // The name is part of the derivation, so that one secret under two names is two clusters.
        let seed: [u8; 32] = derive(&self.secret, &[b"authority", &[0], self.name.as_bytes()]);
        let key = key_pair(&seed);
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2099, 12, 31);
        params.serial_number = Some(SerialNumber::from_slice(&[1]));
        // A name of its own for every cluster. With one name for all, the authority of another
        // cluster looks like ours with a bad signature, and the error message misleads.
        let mark = digest::digest(&digest::SHA256, &key.subject_public_key_info());
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, self.name.as_str());
        name.push(DnType::OrganizationalUnitName, hex(&mark.as_ref()[..8]));
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate =
            params.self_signed(&key).expect("parameters of our own making can be signed");
        Authority { certificate: certificate.der().clone(), issuer: Issuer::new(params, key) }
    }
}

impl fmt::Debug for ClusterKey {
    /// The name, never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The cluster's certificate authority: the same bytes on every node.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

// ---------------------------------------------------------------------------------------------
// The node's key and identity
// ---------------------------------------------------------------------------------------------

/// The Ed25519 key that a node is known by.
#[derive(Clone)]
pub struct NodeKey {
    seed: [u8; 32],
}

impl NodeKey {
    /// The key of the node called `node_name` in this cluster: always the same, so a node that
    /// keeps its name keeps its id without a disk. Two running nodes must not share a name.
    pub fn derive(cluster: &ClusterKey, node_name: &str) -> NodeKey {
        let info: [&[u8]; 5] = [b"node", &[0], cluster.name.as_bytes(), &[0], node_name.as_bytes()];
        NodeKey { seed: derive(&cluster.secret, &info) }
    }

    /// A key of these 32 bytes, which must come from a good random source.
    pub fn random(bytes: [u8; 32]) -> NodeKey {
        NodeKey { seed: bytes }
    }

    /// The node's id: the first 16 bytes of the SHA-256 of its public key (DER
    /// SubjectPublicKeyInfo).
    pub fn id(&self) -> [u8; 16] {
        id_of(&key_pair(&self.seed).subject_public_key_info())
    }
}

impl fmt::Debug for NodeKey {
    /// The id, never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({})", hex(&self.id()))
    }
}

/// Why a connected peer could not be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The handshake is not complete, or was made without certificates.
    #[error("the peer showed no certificate")]
    NoCertificate,
    /// The leaf cannot be read.
    #[error("the peer's certificate cannot be read")]
    Malformed,
    /// The leaf is issued for another id than its key has.
    #[error("the peer's certificate names another key than its own")]
    WrongName,
}

/// What a node needs to prove who it is and to check others: its leaf, and the cluster's authority.
#[derive(Clone)]
pub struct Identity {
    id: [u8; 16],
    cluster: String,
    authority: CertificateDer<'static>,
    leaf: CertificateDer<'static>,
    leaf_key: Vec<u8>,
    reset_key: [u8; 64],
    connection_id_key: u64,
    rng_seed: Option<[u8; 32]>,
}

impl Identity {
    /// Derives the authority and issues the leaf of `node`.
    pub fn new(cluster: &ClusterKey, node: &NodeKey) -> Identity {
        let authority = cluster.authority();
        let key = key_pair(&node.seed);
        let id = id_of(&key.subject_public_key_info());
        let leaf = issue_leaf(&authority, &cluster.name, id, &key);
        Identity {
            id,
            cluster: cluster.name.clone(),
            authority: authority.certificate,
            leaf,
            leaf_key: pkcs8(&node.seed),
            reset_key: derive(&node.seed, &[b"stateless reset"]),
            connection_id_key: u64::from_le_bytes(derive(&node.seed, &[b"connection ids"])),
            rng_seed: None,
        }
    }

    /// Fixes the randomness of QUIC's own decisions, for a simulation that must replay. Never for a
    /// node that anybody else can reach. Every life of a node needs another seed.
    #[must_use]
    pub fn with_rng_seed(mut self, seed: [u8; 32]) -> Identity {
        self.rng_seed = Some(seed);
        self
    }

    /// The node's id.
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The name to ask for when dialing: every node of the cluster answers to it. Which node it was
    /// is learnt from [`peer_id`](Self::peer_id), because a seed is dialed before its id is known.
    pub fn any_name(&self) -> String {
        any_name(&self.cluster)
    }

    /// The seed given to [`with_rng_seed`](Self::with_rng_seed).
    pub fn rng_seed(&self) -> Option<[u8; 32]> {
        self.rng_seed
    }

    /// The key of stateless resets: the same in every life of the node, so that a restarted node
    /// can tell its peers at once that it knows nothing of an old connection.
    pub fn reset_key(&self) -> Arc<dyn quinn::crypto::HmacKey> {
        Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &self.reset_key))
    }

    /// The key of connection ids: the same in every life of the node. With a new one, packets of
    /// old connections would be taken for noise and dropped before a reset could be sent.
    pub fn connection_id_key(&self) -> u64 {
        self.connection_id_key
    }

    /// The accepting side's TLS.
    pub fn server_crypto(&self) -> Arc<dyn quinn::crypto::ServerConfig> {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(self.roots().into(), crypto_provider())
                .build()
                .expect("one readable root is all that a verifier needs");
        let mut config = ServerConfig::builder_with_details(crypto_provider(), Arc::new(FixedDate))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has TLS 1.3 suites")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.leaf.clone()], self.private_key())
            .expect("the leaf was issued for this key");
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Arc::new(QuicServerConfig::try_from(config).expect("AES-128-GCM is among the suites"))
    }

    /// The dialing side's TLS.
    pub fn client_crypto(&self) -> Arc<dyn quinn::crypto::ClientConfig> {
        let mut config = ClientConfig::builder_with_details(crypto_provider(), Arc::new(FixedDate))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has TLS 1.3 suites")
            .with_root_certificates(self.roots())
            .with_client_auth_cert(vec![self.leaf.clone()], self.private_key())
            .expect("the leaf was issued for this key");
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        Arc::new(QuicClientConfig::try_from(config).expect("AES-128-GCM is among the suites"))
    }

    /// Who is at the other end of a connection whose handshake is complete: the id of the peer's
    /// key, which must be the id that its certificate was issued for.
    ///
    /// # Errors
    /// A [`PeerError`]; the connection should be closed.
    pub fn peer_id(&self, connection: &quinn::Connection) -> Result<[u8; 16], PeerError> {
        let identity = connection.peer_identity().ok_or(PeerError::NoCertificate)?;
        let chain = identity
            .downcast::<Vec<CertificateDer<'static>>>()
            .map_err(|_| PeerError::NoCertificate)?;
        self.leaf_id(chain.first().ok_or(PeerError::NoCertificate)?)
    }

    fn leaf_id(&self, leaf: &CertificateDer<'_>) -> Result<[u8; 16], PeerError> {
        let leaf = ParsedCertificate::try_from(leaf).map_err(|_| PeerError::Malformed)?;
        let spki: SubjectPublicKeyInfoDer<'_> = leaf.subject_public_key_info();
        let id = id_of(&spki);
        let name =
            ServerName::try_from(node_name(id, &self.cluster)).map_err(|_| PeerError::Malformed)?;
        verify_server_name(&leaf, &name).map_err(|_| PeerError::WrongName)?;
        Ok(id)
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).expect("the authority is a certificate of our making");
        roots
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.leaf_key.clone()).into()
    }
}

impl fmt::Debug for Identity {
    /// The id and the cluster, never a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("id", &hex(&self.id))
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

/// Whether a connection failed because the two sides hold different cluster keys, seen from either
/// side: the alerts `unknown_ca` (0x30), and `decrypt_error` (0x33) for an authority that has our
/// authority's name but not its key.
pub fn another_cluster_key(error: &ConnectionError) -> bool {
    let code = match error {
        ConnectionError::TransportError(error) => error.code,
        ConnectionError::ConnectionClosed(close) => close.error_code,
        _ => return false,
    };
    code == TransportErrorCode::crypto(0x30) || code == TransportErrorCode::crypto(0x33)
}

// ---------------------------------------------------------------------------------------------
// Parts
// ---------------------------------------------------------------------------------------------

/// The date that certificates are checked against (see the module's documentation).
#[derive(Debug)]
struct FixedDate;

impl TimeProvider for FixedDate {
    fn current_time(&self) -> Option<UnixTime> {
        // The start of 2025.
        Some(UnixTime::since_unix_epoch(Duration::from_secs(1_735_689_600)))
    }
}

/// Named, so that an embedding program's process-wide default provider changes nothing here.
fn crypto_provider() -> Arc<CryptoProvider> {
    let mut provider = provider::default_provider();
    // AES-128 first: as hard to break as the key exchange, and cheaper per byte than AES-256.
    provider.cipher_suites = vec![
        provider::cipher_suite::TLS13_AES_128_GCM_SHA256,
        provider::cipher_suite::TLS13_AES_256_GCM_SHA384,
        provider::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    Arc::new(provider)
}

fn issue_leaf(
    authority: &Authority,
    cluster: &str,
    id: [u8; 16],
    key: &KeyPair,
) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2099, 12, 31);
    params.serial_number = Some(SerialNumber::from_slice(&id));
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, hex(&id));
    params.distinguished_name = name;
    let dns = |name: String| SanType::DnsName(name.try_into().expect("a DNS name is ASCII"));
    params.subject_alt_names = vec![dns(node_name(id, cluster)), dns(any_name(cluster))];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // Every node both dials and accepts.
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let leaf = params
        .signed_by(key, &authority.issuer)
        .expect("parameters of our own making can be signed");
    leaf.der().clone()
}

fn node_name(id: [u8; 16], cluster: &str) -> String {
    format!("{}.{cluster}.{SUFFIX}", hex(&id))
}

fn any_name(cluster: &str) -> String {
    format!("any.{cluster}.{SUFFIX}")
}

fn id_of(spki: &[u8]) -> [u8; 16] {
    let hash = digest::digest(&digest::SHA256, spki);
    hash.as_ref()[..16].try_into().expect("SHA-256 has 32 bytes")
}

/// HKDF-SHA256 (RFC 5869) of a 32-byte secret to `N` bytes, for the purpose that `info` names.
fn derive<const N: usize>(secret: &[u8; 32], info: &[&[u8]]) -> [u8; N] {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = [0; N];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"chickadee/1")
        .extract(secret)
        .expand(info, Length(N))
        .and_then(|key| key.fill(&mut out))
        .expect("N is far below 255 hashes, HKDF's limit");
    out
}

/// The PKCS#8 form of an Ed25519 seed (RFC 8410, section 7: everything but the seed is fixed).
fn pkcs8(seed: &[u8; 32]) -> Vec<u8> {
    let mut der = vec![
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    der.extend_from_slice(seed);
    der
}

fn key_pair(seed: &[u8; 32]) -> KeyPair {
    KeyPair::try_from(pkcs8(seed)).expect("any 32 bytes are an Ed25519 seed")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

fn base32_encode(bytes: &[u8; 32]) -> String {
    let mut text = String::with_capacity(SECRET_CHARS);
    let (mut bits, mut count) = (0u32, 0);
    for &byte in bytes {
        bits = bits << 8 | u32::from(byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(BASE32[(bits >> count) as usize & 31]));
        }
    }
    text.push(char::from(BASE32[(bits << (5 - count)) as usize & 31]));
    text
}

/// `None` for a character outside the alphabet; padding bits are left to the checksum.
fn base32_decode(text: &str) -> Option<[u8; 32]> {
    let mut bytes = Vec::with_capacity(32);
    let (mut bits, mut count) = (0u32, 0);
    for c in text.bytes() {
        let value = BASE32.iter().position(|&letter| letter == c)?;
        bits = bits << 5 | value as u32;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> ClusterKey {
        ClusterKey::generate("prod-eu", std::array::from_fn(|i| i as u8 * 7)).unwrap()
    }

    #[test]
    fn a_key_survives_its_text_form() {
        let key = cluster();
        let text = key.to_text();
        assert_eq!(ClusterKey::parse(&format!(" {text}\n")), Ok(key));
        assert_eq!(text.len(), "chk1-prod-eu-".len() + 52 + 1 + 8);
        // Golden: a key file of today is read by every later version.
        let golden = "chk1-prod-eu-aadq4fi4emvdcob7izgviw3cnfyho7ufrsjzviniv63l3rgl2lmq-a4b984e9";
        assert_eq!(text, golden);
    }

    #[test]
    fn any_one_wrong_character_is_noticed() {
        let text = cluster().to_text();
        for place in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[place] = if wrong[place] == b'b' { b'c' } else { b'b' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(ClusterKey::parse(&wrong).is_err(), "unnoticed at {place}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let text = cluster().to_text();
        assert_eq!(ClusterKey::parse(" \n"), Err(KeyError::Empty));
        assert_eq!(ClusterKey::parse("hunter2"), Err(KeyError::Prefix));
        assert_eq!(ClusterKey::parse("chk1-prod"), Err(KeyError::Length));
        assert_eq!(ClusterKey::parse(&text[..text.len() - 1]), Err(KeyError::Length));
        assert_eq!(ClusterKey::parse(&text.replace("prod", "PROD")), Err(KeyError::Name));
        assert_eq!(ClusterKey::parse(&text.replace("prod", "prof")), Err(KeyError::Checksum));
        assert_eq!(ClusterKey::parse(&text.replace("aadq", "aa1q")), Err(KeyError::Character));
        for name in ["", "-a", "a-", "a b", "ä", &"a".repeat(33)] {
            assert_eq!(ClusterKey::generate(name, [0; 32]), Err(KeyError::Name), "{name}");
        }
    }

    #[test]
    fn a_key_file_may_hold_comments_but_one_key() {
        let text = cluster().to_text();
        let file = format!("# made on Monday\n\n  {text}\n\n# end\n");
        assert_eq!(ClusterKey::parse_file_text(&file), Ok(cluster()));
        assert_eq!(ClusterKey::parse_file_text("# nothing\n\n"), Err(KeyError::Empty));
        let twice = format!("{text}\n{text}\n");
        assert_eq!(ClusterKey::parse_file_text(&twice), Err(KeyError::SecondKey));
    }

    #[test]
    fn secrets_are_not_printed() {
        let key = cluster();
        let secret = base32_encode(&key.secret);
        let node = NodeKey::derive(&key, "a");
        let identity = Identity::new(&key, &node);
        let printed = format!("{key:?} {node:?} {identity:?}");
        assert!(printed.contains("prod-eu"));
        assert!(!printed.contains(&secret) && !printed.contains(&hex(&node.seed)));
        assert!(!printed.contains(&format!("{:?}", &node.seed[..4])[1..10]));
    }

    #[test]
    fn every_node_derives_the_same_authority() {
        let (one, two) = (cluster().authority(), cluster().authority());
        assert_eq!(one.certificate, two.certificate);
        // Golden: a version that derived another one would split every cluster it is rolled out to.
        let hash = digest::digest(&digest::SHA256, &one.certificate);
        assert_eq!(hex(&hash.as_ref()[..8]), "520c30e0b650d1e5");
        let other = ClusterKey::generate("prod-us", cluster().secret).unwrap();
        assert_ne!(one.certificate, other.authority().certificate);
    }

    #[test]
    fn a_node_is_its_key() {
        let key = cluster();
        let node = NodeKey::derive(&key, "pod-1");
        let identity = Identity::new(&key, &node);
        assert_eq!(identity.id(), node.id());
        assert_eq!(identity.id(), NodeKey::derive(&cluster(), "pod-1").id());
        // Golden: a version that derived another one would move every node's place on the ring.
        assert_eq!(hex(&node.id()), "0504b895f7c27d4a294739f86542e0d6");
        assert_ne!(node.id(), NodeKey::derive(&key, "pod-2").id());
        assert_ne!(node.id(), NodeKey::random([7; 32]).id());
        // The id as peers compute it, from the certificate.
        assert_eq!(identity.leaf_id(&identity.leaf), Ok(node.id()));
        // Both configurations can be built.
        let _ = (identity.server_crypto(), identity.client_crypto());
    }

    #[test]
    fn keys_for_resets_survive_a_restart() {
        let identity = || Identity::new(&cluster(), &NodeKey::derive(&cluster(), "pod-1"));
        assert_eq!(identity().reset_key, identity().reset_key);
        assert_eq!(identity().connection_id_key(), identity().connection_id_key());
        let other = Identity::new(&cluster(), &NodeKey::derive(&cluster(), "pod-2"));
        assert_ne!(identity().reset_key, other.reset_key);
        assert_ne!(identity().connection_id_key(), other.connection_id_key());
    }

    /// A member that issues itself a leaf in somebody else's name is not taken for that node.
    #[test]
    fn a_leaf_must_name_its_own_key() {
        let key = cluster();
        let identity = Identity::new(&key, &NodeKey::derive(&key, "a"));
        let victim = NodeKey::derive(&key, "b").id();
        let own = key_pair(&NodeKey::derive(&key, "a").seed);
        let forged = issue_leaf(&key.authority(), key.name(), victim, &own);
        assert_eq!(identity.leaf_id(&forged), Err(PeerError::WrongName));
        let garbage = CertificateDer::from(vec![0x30, 0x03, 1, 2, 3]);
        assert_eq!(identity.leaf_id(&garbage), Err(PeerError::Malformed));
    }
}
