// SPDX-License-Identifier: Apache-2.0

/// The parts of a Redis URL, percent-decoded. Errors never quote the URL, which may hold a password.
struct RedisURL {
    enum Kind {
        case server
        case socket
        case sentinel
        case cluster
    }

    let kind: Kind
    let usesTLS: Bool
    private(set) var user: String?
    private(set) var password: String?
    private(set) var hosts: [(name: String, port: Int?)] = []
    private(set) var path = ""
    private(set) var master = ""
    private(set) var database = 0
    private(set) var trustRootsFile: String?
    private(set) var sentinelUser: String?
    private(set) var sentinelPassword: String?
    private(set) var sentinelUsesTLS: Bool?

    init(_ text: String) throws(RedisError) {
        guard !text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else {
            throw Self.invalid("it must not contain a space or a control character")
        }
        guard let colon = text.firstRange(of: "://") else {
            throw Self.invalid("it must start with redis://, rediss:// or unix://")
        }
        switch text[..<colon.lowerBound].lowercased() {
        case "redis": (kind, usesTLS) = (.server, false)
        case "rediss": (kind, usesTLS) = (.server, true)
        case "unix": (kind, usesTLS) = (.socket, false)
        case "redis+sentinel": (kind, usesTLS) = (.sentinel, false)
        case "rediss+sentinel": (kind, usesTLS) = (.sentinel, true)
        case "redis+cluster": (kind, usesTLS) = (.cluster, false)
        case "rediss+cluster": (kind, usesTLS) = (.cluster, true)
        default:
            throw Self.invalid(
                "its scheme must be redis, rediss, unix, redis+sentinel, rediss+sentinel, redis+cluster or "
                    + "rediss+cluster")
        }
        do throws(RedisError) {
            try read(text[colon.upperBound...])
        } catch {
            throw RedisError(error.code, "\(error.message); allowed: \(kind.form)")
        }
    }

    /// The hosts, where it names hosts.
    func addresses(defaultPort: Int) -> [RedisConfiguration.Address] {
        hosts.map { .host($0.name, port: $0.port ?? defaultPort) }
    }

    private mutating func read(_ text: Substring) throws(RedisError) {
        var rest = text
        if let question = rest.firstIndex(of: "?") {
            try readQuery(rest[rest.index(after: question)...])
            rest = rest[..<question]
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        var authority = rest[..<slash]
        if let at = authority.lastIndex(of: "@") {
            try readCredentials(authority[..<at])
            authority = authority[authority.index(after: at)...]
        }
        let tail = rest[slash...].dropFirst()
        switch kind {
        case .socket:
            guard authority.isEmpty, !tail.isEmpty else {
                throw Self.invalid("unix:// needs an absolute path")
            }
            path = try Self.decoded(rest[slash...])
        case .server:
            guard !authority.contains(",") else { throw Self.invalid("it names several hosts") }
            try readHost(authority)
            try readDatabase(tail)
        case .sentinel:
            try readHosts(authority)
            try readMaster(tail)
        case .cluster:
            try readHosts(authority)
            guard tail.isEmpty, database == 0 else { throw Self.invalid("a cluster has no databases") }
        }
    }

    private mutating func readCredentials(_ text: Substring) throws(RedisError) {
        guard let colon = text.firstIndex(of: ":") else {
            throw Self.invalid("before the @ it needs user:password or :password")
        }
        let name = try Self.decoded(text[..<colon])
        user = name.isEmpty ? nil : name
        password = try Self.decoded(text[text.index(after: colon)...])
    }

    private mutating func readHosts(_ text: Substring) throws(RedisError) {
        for part in text.split(separator: ",", omittingEmptySubsequences: false) { try readHost(part) }
    }

    private mutating func readHost(_ text: Substring) throws(RedisError) {
        var name = text
        var portText: Substring?
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else { throw Self.invalid("an IPv6 address needs a ]") }
            name = text[text.index(after: text.startIndex)..<end]
            let tail = text[text.index(after: end)...]
            guard tail.isEmpty || tail.first == ":" else {
                throw Self.invalid("after ] only a port may stand")
            }
            portText = tail.isEmpty ? nil : tail.dropFirst()
        } else if let colon = text.firstIndex(of: ":") {
            name = text[..<colon]
            portText = text[text.index(after: colon)...]
        }
        let host = try Self.decoded(name)
        guard !host.isEmpty else { throw Self.invalid("it names no host") }
        var port: Int?
        if let portText {
            guard portText.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Int(portText),
                (1...65_535).contains(number)
            else { throw Self.invalid("its port must be a number from 1 to 65535") }
            port = number
        }
        hosts.append((host, port))
    }

    private mutating func readMaster(_ text: Substring) throws(RedisError) {
        let slash = text.firstIndex(of: "/") ?? text.endIndex
        master = try Self.decoded(text[..<slash])
        guard !master.isEmpty else { throw Self.invalid("it does not name the master") }
        try readDatabase(text[slash...].dropFirst())
    }

    private mutating func readDatabase(_ text: Substring) throws(RedisError) {
        guard !text.isEmpty else { return }
        guard text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Int(text), number < 65_536
        else { throw Self.invalid("its database must be a number") }
        database = number
    }

    private mutating func readQuery(_ query: Substring) throws(RedisError) {
        for pair in query.split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1)
            let value = halves.count == 2 ? halves[1] : ""
            switch (halves.first, kind) {
            case ("db", _): try readDatabase(value)
            case ("ca_file", _): trustRootsFile = try Self.decoded(value)
            case ("sentinel_user", .sentinel): sentinelUser = try Self.decoded(value)
            case ("sentinel_password", .sentinel): sentinelPassword = try Self.decoded(value)
            case ("sentinel_tls", .sentinel):
                guard value == "yes" || value == "no" else {
                    throw Self.invalid("its sentinel_tls must be yes or no")
                }
                sentinelUsesTLS = value == "yes"
            default: throw Self.invalid("it has an unknown parameter")
            }
        }
    }

    private static func decoded(_ text: Substring) throws(RedisError) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst(), let low = rest.popFirst(),
                let value = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16), value != 0
            else { throw invalid("a % must be followed by two hex digits other than 00") }
            bytes.append(value)
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw invalid("its percent-encoded part is not UTF-8")
        }
        return decoded
    }

    private static func invalid(_ reason: String) -> RedisError {
        RedisError(.invalidURL, "the Redis URL is not usable: \(reason)")
    }
}

extension RedisURL.Kind {
    /// How such a URL is written.
    fileprivate var form: String {
        switch self {
        case .server: "redis://[user:password@]host[:port][/db][?ca_file=path], rediss:// for TLS"
        case .socket: "unix://[user:password@]/path/to/socket[?db=n]"
        case .sentinel:
            "redis+sentinel://[user:password@]host[:port],host[:port],.../MASTER[/db], rediss+sentinel:// for "
                + "TLS, with the parameters sentinel_user, sentinel_password, sentinel_tls=yes|no, ca_file"
        case .cluster:
            "redis+cluster://[user:password@]host[:port],host[:port],...[?ca_file=path], rediss+cluster:// for "
                + "TLS"
        }
    }
}
