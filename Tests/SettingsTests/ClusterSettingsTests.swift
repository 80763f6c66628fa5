// SPDX-License-Identifier: Apache-2.0

import Model
import Settings
import Testing

private let database = "postgres://lockstep:s3cret@db.example:5432/lockstep"
private let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

@Suite struct `The settings of a cluster` {
    @Test func `have defaults for everything but the database`() throws {
        let settings = try ClusterSettings.load(["DATABASE_URL": database, "PATH": "/bin", "LOCKSTEPS": "1"])

        #expect(settings.redisURL.secret.exposed == "redis://127.0.0.1:6379")
        #expect(settings.databaseURL?.secret.exposed == database)
        #expect(settings.keys.isEmpty)
        #expect(settings.prefix == "lockstep")
        #expect(settings.concurrency == 8)
        #expect(settings.lease == .seconds(30))
        #expect(settings.queues == [.high, .default, .low])
        #expect(settings.listen == ListenAddress(host: "0.0.0.0", port: 8_080))
        #expect(settings.privateListen == ListenAddress(host: "127.0.0.1", port: 8_081))
        #expect(settings.connectorDirectories.isEmpty)
        #expect(settings.adminToken == nil)
        #expect(settings.publicURL == nil)
        #expect(settings.logLevel == .info)
        #expect(settings.logFormat == .text)
        #expect(!settings.allowLossyRedis)
        #expect(settings.serviceURLs.isEmpty)
    }

    @Test func `require a public URL where the world can reach the listener`() throws {
        func problems(_ extra: [String: String]) throws -> String? {
            do throws(SettingsError) {
                _ = try ClusterSettings.load(
                    ["DATABASE_URL": database].merging(extra) { $1 }, requiring: [.database, .publicURL])
                return nil
            } catch {
                return error.message
            }
        }
        #expect(try problems([:])?.contains("LOCKSTEP_PUBLIC_URL: not set") == true)
        #expect(
            try problems(["LOCKSTEP_LISTEN": "127.evil.example:1"])?.contains("LOCKSTEP_PUBLIC_URL") == true)
        for host in ["127.0.0.1:0", "[::1]:8080", "localhost:1"] {
            #expect(try problems(["LOCKSTEP_LISTEN": host]) == nil)
        }
        #expect(try problems(["LOCKSTEP_PUBLIC_URL": "https://sync.example"]) == nil)
    }

    @Test func `are read from the environment`() throws {
        let settings = try ClusterSettings.load(
            [
                "REDIS_URL": "rediss://app:pw@redis.example:6380/2", "DATABASE_URL": " \(database)\r\n",
                "LOCKSTEP_KEYS": "new:\(key),old:\(key)", "LOCKSTEP_PREFIX": "{lockstep}",
                "LOCKSTEP_CONCURRENCY": "1000", "LOCKSTEP_LEASE": "90s", "LOCKSTEP_QUEUES": "low, HIGH",
                "LOCKSTEP_LISTEN": "[::1]:0", "LOCKSTEP_CONNECTORS": "/etc/a:b c",
                "LOCKSTEP_ADMIN_TOKEN": "t0ken", "LOCKSTEP_PUBLIC_URL": "https://sync.example/base/",
                "LOCKSTEP_LOG_LEVEL": "Debug", "LOCKSTEP_LOG_FORMAT": "json",
                "LOCKSTEP_ALLOW_LOSSY_REDIS": "1",
                "LOCKSTEP_SERVICE_URLS":
                    "stripe=http://127.0.0.1:8090/stripe,google-calendar=http://127.0.0.1:8090/gcal/",
            ], requiring: [.database, .keys])

        #expect(settings.redisURL.redacted == "rediss://app:***@redis.example:6380/2")
        #expect(settings.databaseURL?.secret.exposed == database)
        #expect(settings.keys.map(\.id) == ["new", "old"])
        #expect(settings.keys.first?.material.exposed == key)
        #expect(settings.prefix == "{lockstep}")
        #expect(settings.concurrency == 1_000)
        #expect(settings.lease == .seconds(90))
        #expect(settings.queues == [.high, .low])
        #expect(settings.listen == ListenAddress(host: "::1", port: 0))
        #expect(settings.connectorDirectories == ["/etc/a", "b c"])
        #expect(settings.adminToken?.exposed == "t0ken")
        #expect(settings.publicURL == "https://sync.example/base")
        #expect(settings.logLevel == .debug)
        #expect(settings.logFormat == .json)
        #expect(settings.allowLossyRedis)
        #expect(
            settings.serviceURLs == [
                "stripe": "http://127.0.0.1:8090/stripe", "google-calendar": "http://127.0.0.1:8090/gcal",
            ])
    }

    @Test func `say how long rows are kept, or that they are for ever`() throws {
        let day = Duration.seconds(86_400)
        let usual = try ClusterSettings.load(["DATABASE_URL": database]).retention
        #expect(usual.apiLog == day * 7 && usual.logsRequests)
        #expect(usual.syncLog == day * 90 && usual.deletions == day * 90 && usual.scheduleFires == day * 90)
        #expect(usual.webhookEvents == day * 30 && usual.subscriptionEvents == day * 90)

        let own = try ClusterSettings.load([
            "DATABASE_URL": database, "LOCKSTEP_API_LOG_RETENTION": "0", "LOCKSTEP_SYNC_LOG_RETENTION": "48h",
            "LOCKSTEP_DELETIONS_RETENTION": "Forever", "LOCKSTEP_WEBHOOK_RETENTION": "3650d",
            "LOCKSTEP_SUBSCRIPTION_EVENTS_RETENTION": "12d",
        ])
        #expect(own.retention.apiLog == .zero && !own.retention.logsRequests)
        #expect(own.retention.syncLog == day * 2 && own.retention.deletions == nil)
        #expect(own.retention.webhookEvents == day * 3_650)
        let shown = own.effective.filter { $0.name.hasSuffix("_RETENTION") }.map(\.value)
        #expect(shown == ["0s", "2d", "forever", "90d", "3650d", "12d"])
    }

    @Test(arguments: ["LOCKSTEP_LEASE", "REDIS_URL", "LOCKSTEP_KEYS", "LOCKSTEP_QUEUES"])
    func `count an empty variable as not set`(_ name: String) throws {
        let settings = try ClusterSettings.load(["DATABASE_URL": database, name: " "])

        #expect(settings.effective.contains { $0.name == name && $0.source != .environment })
    }

    @Test(arguments: [
        "redis+sentinel://u:pw@a:26379,b,c:1/main", "rediss+sentinel://a/main/3?sentinel_password=x",
        "REDISS+CLUSTER://a:7000,b:7001/",
    ])
    func `accept sentinels and clusters`(_ url: String) throws {
        let settings = try ClusterSettings.load([
            "DATABASE_URL": database, "REDIS_URL": url, "LOCKSTEP_PREFIX": "{lockstep}",
        ])

        #expect(settings.redisURL.secret.exposed == url)
        #expect(!settings.redisURL.redacted.contains("pw"))
        #expect(!settings.redisURL.redacted.contains("=x"))
    }

    @Test func `of a cluster need a prefix with a hash tag`() throws {
        var variables = ["DATABASE_URL": database, "REDIS_URL": "redis+cluster://a:7000"]
        for prefix in [nil, "sync"] {
            variables["LOCKSTEP_PREFIX"] = prefix
            let error = try #require(throws: SettingsError.self) { try ClusterSettings.load(variables) }
            #expect(error.problems.count == 1)
            #expect(
                error.message
                    == "LOCKSTEP_PREFIX: '\(prefix ?? "lockstep")' has no braces, but REDIS_URL is a cluster; "
                    + "allowed: a hash tag, such as {lockstep}")
        }
        variables["LOCKSTEP_PREFIX"] = "a b"
        #expect(throws: SettingsError.self) { try ClusterSettings.load(variables) }
    }

    @Test(arguments: refusals)
    func `are refused with the name, the problem and what is allowed`(
        _ name: String, _ value: String, _ start: String
    ) throws {
        var variables = ["DATABASE_URL": database]
        variables[name] = value

        let error = try #require(throws: SettingsError.self) { try ClusterSettings.load(variables) }

        #expect(error.message.hasPrefix("\(name): \(start)"), "\(error.message)")
        #expect(error.message.contains("; allowed: "))
        #expect(!error.message.contains("secretpw") && !error.message.contains("MDEy"))
    }

    @Test func `report all problems together, one a line`() throws {
        let error = try #require(throws: SettingsError.self) {
            try ClusterSettings.load(
                [
                    "LOCKSTEP_CONCURENCY": "4", "LOCKSTEP_LEASE": "soon", "LOCKSTEP_REDIS_URL": "redis://h",
                    "LOCKSTEP_LISTEN": "nowhere", "LOCKSTEP_ZEBRA": "1",
                ], requiring: [.database, .keys])
        }

        #expect(
            error.problems.map(\.name) == [
                "DATABASE_URL", "LOCKSTEP_KEYS", "LOCKSTEP_LEASE", "LOCKSTEP_LISTEN", "LOCKSTEP_CONCURENCY",
                "LOCKSTEP_REDIS_URL", "LOCKSTEP_ZEBRA",
            ])
        #expect(error.message.split(separator: "\n").count == 7)
        #expect(error.problems[0].problem == "not set")
        #expect(error.problems[1].problem == "not set")
        #expect(error.problems[4].problem == "unknown variable, did you mean LOCKSTEP_CONCURRENCY?")
        #expect(error.problems[5].problem == "unknown variable, did you mean REDIS_URL?")
        #expect(error.problems[6].problem == "unknown variable")
    }

    @Test func `leave variables of other processes alone`() throws {
        let variables = [
            "DATABASE_URL": database, "LOCKSTEP_SANDBOX_SEED": "7", "LOCKSTEP_OAUTH_SLACK_ID": "x",
            "LOCKSTEP_OAUTH_SLACK_SECRET": "x",
        ]

        let known = ["LOCKSTEP_SANDBOX_SEED", "LOCKSTEP_OAUTH_*"]
        #expect(throws: Never.self) { try ClusterSettings.load(variables, alsoKnown: known) }

        let error = try #require(throws: SettingsError.self) { try ClusterSettings.load(variables) }
        #expect(error.problems.count == 3)
    }

    @Test func `do without a database until one is asked for`() throws {
        let settings = try ClusterSettings.load([:], requiring: [])

        #expect(settings.databaseURL == nil)
        let error = try #require(throws: SettingsError.self) { try settings.requireDatabaseURL() }
        #expect(error.message.hasPrefix("DATABASE_URL: not set; allowed: postgres://"))
    }

    @Test func `read keys from a file, but not from two places`() throws {
        let file = SecretString("# current\nnew:\(key)\r\n\n  # before\n old:\(key)\n")
        let variables = ["DATABASE_URL": database, "LOCKSTEP_KEYS_FILE": "/run/keys"]

        let settings = try ClusterSettings.load(variables, requiring: [.database, .keys]) { path in
            path == "/run/keys" ? .success(file) : .failure(SecretFile.Refusal(reason: path))
        }
        let error = try #require(throws: SettingsError.self) {
            try ClusterSettings.load(variables.merging(["LOCKSTEP_KEYS": "k:\(key)"]) { $1 }) { _ in
                .success(file)
            }
        }

        #expect(settings.keys.map(\.id) == ["new", "old"])
        #expect(
            error.message == "LOCKSTEP_KEYS_FILE: set together with LOCKSTEP_KEYS; allowed: one of the two")
    }

    @Test func `are shown as a table without a secret`() throws {
        let settings = try ClusterSettings.load([
            "DATABASE_URL": database, "LOCKSTEP_KEYS": "k1:\(key)", "LOCKSTEP_ADMIN_TOKEN": "t0ken",
            "LOCKSTEP_LEASE": "120s",
        ])

        let lines = settings.effective.table().split(separator: "\n").map(String.init)

        #expect(lines.count == settings.effective.count + 1)
        #expect(lines[0].hasPrefix("NAME "))
        #expect(lines[1].split(separator: " ") == ["REDIS_URL", "redis://127.0.0.1:6379", "default"])
        let shown = "postgres://lockstep:***@db.example:5432/lockstep"
        #expect(lines[2].split(separator: " ") == ["DATABASE_URL", Substring(shown), "environment"])
        #expect(lines.contains { $0.split(separator: " ") == ["LOCKSTEP_LEASE", "2m", "environment"] })
        #expect(
            lines.contains { $0.split(separator: " ") == ["LOCKSTEP_ADMIN_TOKEN", "***", "environment"] })
        #expect(lines.contains { $0.split(separator: " ") == ["LOCKSTEP_PUBLIC_URL", "not", "set"] })
        let from = lines.map { line in
            line.distance(from: line.startIndex, to: line.lastIndex(of: " ") ?? line.endIndex)
        }
        #expect(Set(zip(lines, from).filter { !$0.0.hasSuffix("not set") }.map(\.1)).count == 1)
        for secret in ["s3cret", "MDEy", "t0ken"] {
            #expect(!lines.joined().contains(secret))
            var dumped = ""
            dump(settings, to: &dumped)
            #expect(!dumped.contains(secret))
        }
    }
}

/// Variables, values that are refused, and how the message about them starts.
private let refusals: [(String, String, String)] = [
    ("LOCKSTEP_CONCURRENCY", "0", "'0' is not accepted; allowed: a whole number from 1 to 1000"),
    ("LOCKSTEP_CONCURRENCY", "1001", "'1001' is not accepted"),
    ("LOCKSTEP_CONCURRENCY", "0x10", "'0x10' is not accepted"),
    ("LOCKSTEP_CONCURRENCY", "+8", "'+8' is not accepted"),
    ("LOCKSTEP_CONCURRENCY", "99999999999999999999", "'99999999999999999999' is not accepted"),
    ("LOCKSTEP_LEASE", "30", "'30' is not accepted; allowed: 3s to 1h, a whole number with ms, s, m, h"),
    ("LOCKSTEP_LEASE", "2999ms", "'2999ms' is not accepted"),
    ("LOCKSTEP_LEASE", "61m", "'61m' is not accepted"),
    (
        "LOCKSTEP_API_LOG_RETENTION", "1h",
        "'1h' is not accepted; allowed: 1d to 3650d, 'forever', or 0 to write none"
    ),
    ("LOCKSTEP_SYNC_LOG_RETENTION", "1d", "'1d' is not accepted; allowed: 2d to 3650d, 'forever'"),
    ("LOCKSTEP_DELETIONS_RETENTION", "0", "'0' is not accepted"),
    ("LOCKSTEP_SCHEDULE_FIRES_RETENTION", "7d", "'7d' is not accepted"),
    ("LOCKSTEP_WEBHOOK_RETENTION", "30", "'30' is not accepted"),
    ("LOCKSTEP_SUBSCRIPTION_EVENTS_RETENTION", "1h", "'1h' is not accepted"),
    ("LOCKSTEP_QUEUES", "high,slow", "'high,slow' is not accepted; allowed: high, default, low"),
    ("LOCKSTEP_QUEUES", "high,high", "'high,high' is not accepted"),
    ("LOCKSTEP_QUEUES", "high,", "'high,' is not accepted"),
    ("LOCKSTEP_LISTEN", "8080", "'8080' is not accepted; allowed: host:port"),
    ("LOCKSTEP_PRIVATE_LISTEN", "8081", "'8081' is not accepted; allowed: host:port"),
    ("LOCKSTEP_LISTEN", "::1:8080", "'::1:8080' is not accepted"),
    ("LOCKSTEP_LISTEN", "a:65536", "'a:65536' is not accepted"),
    ("LOCKSTEP_PREFIX", "a b", "'a b' is not accepted"),
    ("LOCKSTEP_PREFIX", "{a}b", "'{a}b' is not accepted"),
    ("LOCKSTEP_PREFIX", "x\u{1B}[31m", "'x?[31m' is not accepted"),
    ("LOCKSTEP_CONNECTORS", "/a::/b", "'/a::/b' is not accepted; allowed: directories"),
    ("LOCKSTEP_LOG_LEVEL", "loud", "'loud' is not accepted; allowed: trace, debug, info"),
    ("LOCKSTEP_LOG_FORMAT", "xml", "'xml' is not accepted; allowed: text, json"),
    ("LOCKSTEP_ALLOW_LOSSY_REDIS", "perhaps", "'perhaps' is not accepted; allowed: 1 or 0"),
    ("LOCKSTEP_ADMIN_TOKEN", "two words", "the token has characters that an HTTP header cannot carry"),
    ("LOCKSTEP_PUBLIC_URL", "sync.example", "the URL is not accepted; allowed: https://host"),
    ("LOCKSTEP_PUBLIC_URL", "https://a?b=c", "the URL is not accepted"),
    (
        "LOCKSTEP_LIMITS", "stripe.requests=fast",
        "'stripe.requests=fast' is not accepted; allowed: service.limit="
    ),
    ("LOCKSTEP_LIMITS", "stripe=5/s", "'stripe=5/s' is not accepted"),
    ("LOCKSTEP_SERVICE_URLS", "stripe", "'stripe' is not accepted; allowed: service=URL"),
    ("LOCKSTEP_SERVICE_URLS", "stripe=http://u:secretpw@h", "the value is not accepted"),
    ("LOCKSTEP_SERVICE_URLS", "a=http://h,a=http://i", "a service is named twice"),
    ("REDIS_URL", "http://h", "the URL is not accepted; allowed: redis://"),
    ("REDIS_URL", "redis://", "the URL is not accepted"),
    ("REDIS_URL", "redis:///0", "the URL is not accepted"),
    ("REDIS_URL", "redis://u:secretpw@h x", "the URL is not accepted"),
    ("REDIS_URL", "redis+sentinel://u:secretpw@h", "the URL is not accepted"),
    ("REDIS_URL", "redis+sentinel:///main", "the URL is not accepted"),
    ("REDIS_URL", "redis+sentinel://h//0", "the URL is not accepted"),
    ("REDIS_URL", "redis+cluster://h/1", "the URL is not accepted"),
    ("REDIS_URL", "redis+replica://h", "the URL is not accepted"),
    ("DATABASE_URL", "host=db password=secretpw", "the URL is not accepted; allowed: postgres://"),
    ("LOCKSTEP_KEYS", "k1", "key 1 has no colon between id and key; allowed: id:key"),
    ("LOCKSTEP_KEYS", "k1:c2VjcmV0cHc=", "key 1 ('k1') has 8 bytes instead of 32"),
    ("LOCKSTEP_KEYS", "k 1", "key 1 has no colon"),
    ("LOCKSTEP_KEYS", ":\(key)", "key 1 has an id of 0 bytes that is not one"),
    ("LOCKSTEP_KEYS", "k1:\(key.dropLast())", "key 1 ('k1') does not end with one '='"),
    ("LOCKSTEP_KEYS", "k1:\(key.dropLast(2))F=", "key 1 ('k1') is not base64"),
    ("LOCKSTEP_KEYS", "k1:\(key),k1:\(key)", "key 2 repeats the id 'k1'"),
    ("LOCKSTEP_KEYS_FILE", "/nonexistent/keys", "/nonexistent/keys cannot be read: No such file"),
    ("LOCKSTEP_KEYS_FILE", "/tmp", "/tmp cannot be read: Is a directory"),
]
