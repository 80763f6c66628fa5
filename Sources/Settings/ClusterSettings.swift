// SPDX-License-Identifier: Apache-2.0

public import Model

/// The configuration that all processes of a cluster share, checked as a whole.
public struct ClusterSettings: Sendable {
    /// What a process cannot work without.
    public struct Requirements: OptionSet, Sendable {
        /// The bits of the set.
        public let rawValue: Int

        /// A set by its bits.
        public init(rawValue: Int) {
            self.rawValue = rawValue
        }

        /// DATABASE_URL has to be there.
        public static let database = Requirements(rawValue: 1)
        /// LOCKSTEP_KEYS has to be there.
        public static let keys = Requirements(rawValue: 2)
        /// LOCKSTEP_PUBLIC_URL has to be there, unless LOCKSTEP_LISTEN is an address of this machine alone.
        public static let publicURL = Requirements(rawValue: 4)
    }

    /// `REDIS_URL`: one server, the sentinels of one, or nodes of a cluster.
    public let redisURL: SettingURL
    /// `DATABASE_URL`; nil only when it was not required.
    public let databaseURL: SettingURL?
    /// `LOCKSTEP_KEYS` or `LOCKSTEP_KEYS_FILE`, the current key first; empty only when not required.
    public let keys: [KeyEntry]
    /// `LOCKSTEP_PREFIX`: what every Redis key starts with.
    public let prefix: String
    /// `LOCKSTEP_CONCURRENCY`: jobs that one worker runs at a time.
    public let concurrency: Int
    /// `LOCKSTEP_LEASE`: how long a job stays with a worker that does not renew.
    public let lease: Duration
    /// `LOCKSTEP_QUEUES`: the queues that a worker serves, in order of priority.
    public let queues: [Queue]
    /// `LOCKSTEP_LISTEN`.
    public let listen: ListenAddress
    /// `LOCKSTEP_PRIVATE_LISTEN`: where a gateway serves operators; an address of this machine alone unless it is set.
    public let privateListen: ListenAddress
    /// `LOCKSTEP_CONNECTORS`: directories with manifests; they are not looked at here.
    public let connectorDirectories: [String]
    /// `LOCKSTEP_ADMIN_TOKEN`; without one the administrative API is closed.
    public let adminToken: SecretString?
    /// `LOCKSTEP_PUBLIC_URL` without a slash at the end: where providers and browsers reach the gateway.
    public let publicURL: String?
    /// `LOCKSTEP_LOG_LEVEL`.
    public let logLevel: LogLevel
    /// `LOCKSTEP_LOG_FORMAT`.
    public let logFormat: LogFormat
    /// `LOCKSTEP_ALLOW_LOSSY_REDIS`: start on a Redis that may forget acknowledged jobs.
    public let allowLossyRedis: Bool
    /// `LOCKSTEP_SERVICE_URLS`: base URLs that stand in for a service's own, without a slash at the end.
    public let serviceURLs: [String: String]
    /// `LOCKSTEP_LIMITS`: quantities in place of those of manifests. Whether the limits exist is not known here.
    public let limits: LimitOverrides
    /// How long rows that only tell what was are kept.
    public let retention: RetentionSettings
    /// What alerts are about, and whom they are told.
    public let alerts: AlertSettings
    /// The applications that are registered with providers, by the service as their variables spell it.
    let oauthClients: [String: OAuthClientEntry]
    /// What notifications are signed with, by the service as its variable spells it.
    let webhookSecrets: [String: SecretString]
    /// Every setting with the value that took effect and its origin, secrets redacted.
    public let effective: [EffectiveSetting]

    /// Reads and checks all settings; the error lists every problem.
    ///
    /// `alsoKnown` names further variables of the deployment, as in `Environment.refuseUnknown`. Reading
    /// `LOCKSTEP_KEYS_FILE` is the only effect, and `readFile` performs it.
    public static func load(
        _ variables: [String: String],
        requiring requirements: Requirements = .database,
        alsoKnown: [String] = [],
        readFile: (String) -> Result<SecretString, SecretFile.Refusal> = SecretFile.read
    ) throws(SettingsError) -> ClusterSettings {
        var environment = Environment(variables)
        let settings = ClusterSettings(&environment, requiring: requirements, readFile: readFile)
        environment.refuseUnknown(alsoKnown: alsoKnown)
        try environment.finish()
        return settings
    }

    private init(
        _ environment: inout Environment, requiring requirements: Requirements,
        readFile: (String) -> Result<SecretString, SecretFile.Refusal>
    ) {
        redisURL = Self.redisURL(&environment)
        databaseURL = Self.databaseURL(&environment, isRequired: requirements.contains(.database))
        keys = Self.keys(&environment, isRequired: requirements.contains(.keys), readFile: readFile)
        prefix = environment.value(
            "LOCKSTEP_PREFIX", default: "lockstep",
            allowed: "1 to 64 letters, digits and . _ - :, in braces for Redis Cluster: {lockstep}",
            show: { $0 }, parse: Self.prefix)
        Self.checkPrefix(prefix, for: redisURL, &environment)
        concurrency = environment.integer("LOCKSTEP_CONCURRENCY", default: 8, in: 1...1_000)
        lease = environment.duration(
            "LOCKSTEP_LEASE", default: .seconds(30), in: .seconds(3) ... .seconds(3_600))
        queues = Self.queues(&environment)
        listen = environment.value(
            "LOCKSTEP_LISTEN", default: ListenAddress(host: "0.0.0.0", port: 8_080),
            allowed: "host:port, such as 127.0.0.1:8080 or [::]:8080", show: \.description,
            parse: ListenAddress.init)
        privateListen = environment.value(
            "LOCKSTEP_PRIVATE_LISTEN", default: ListenAddress(host: "127.0.0.1", port: 8_081),
            allowed: "host:port, such as 127.0.0.1:8081 or [::1]:8081", show: \.description,
            parse: ListenAddress.init)
        connectorDirectories = environment.list(
            "LOCKSTEP_CONNECTORS", separator: ":", default: [],
            allowed: "directories separated by colons", show: { $0 }, parse: { $0.isEmpty ? nil : $0 })
        adminToken = environment.secret("LOCKSTEP_ADMIN_TOKEN", allowed: "visible ASCII characters") {
            token in
            let isVisible = token.exposed.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
            return isVisible ? nil : "the token has characters that an HTTP header cannot carry"
        }
        publicURL = Self.publicURL(
            &environment, isRequired: requirements.contains(.publicURL) && !listen.isLoopback)
        logLevel = environment.choice("LOCKSTEP_LOG_LEVEL", default: .info)
        logFormat = environment.choice("LOCKSTEP_LOG_FORMAT", default: .text)
        allowLossyRedis = environment.flag("LOCKSTEP_ALLOW_LOSSY_REDIS")
        serviceURLs = Self.serviceURLs(&environment)
        limits = LimitOverrides(
            environment.list(
                "LOCKSTEP_LIMITS", separator: ",", default: [], allowed: LimitOverrides.form,
                show: { "\($0.service).\($0.limit)=\($0.quantity)" }, parse: LimitOverrides.entry))
        retention = RetentionSettings.read(&environment)
        alerts = AlertSettings.read(&environment, readFile: readFile)
        oauthClients = OAuthClientEntry.read(&environment, readFile: readFile)
        webhookSecrets = WebhookSecretEntry.read(&environment, readFile: readFile)
        effective = environment.effective
    }

    /// `LOCKSTEP_OAUTH_<SERVICE>_CLIENT_ID` and `_CLIENT_SECRET`; nil when the service has none.
    public func oauthClient(for service: String) -> OAuthClientEntry? {
        oauthClients[OAuthClientEntry.spelling(of: service)]
    }

    /// The database, for a command that finds out late that it needs one.
    public func requireDatabaseURL() throws(SettingsError) -> SettingURL {
        guard let databaseURL else {
            throw SettingsError(problems: [Self.missingDatabase])
        }
        return databaseURL
    }
}
