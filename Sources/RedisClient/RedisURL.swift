// SPDX-License-Identifier: Apache-2.0

/// The parts of a Redis URL, percent-decoded. Errors never quote the URL, which may hold a password.
struct RedisURL {
    let scheme: String
    private(set) var user: String?
    private(set) var password: String?
    private(set) var host = ""
    private(set) var port: Int?
    private(set) var path = ""
    private(set) var database = 0
    private(set) var trustRootsFile: String?

    init(_ text: String) throws(RedisError) {
        guard !text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else {
            throw Self.invalid("it contains a space or a control character")
        }
        guard let colon = text.firstRange(of: "://") else {
            throw Self.invalid("it must start with redis://, rediss:// or unix://")
        }
        scheme = text[..<colon.lowerBound].lowercased()
        guard ["redis", "rediss", "unix"].contains(scheme) else {
            throw Self.invalid("its scheme must be redis, rediss or unix")
        }
        var rest = text[colon.upperBound...]
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
        if scheme == "unix" {
            guard authority.isEmpty, rest[slash...].utf8.count > 1 else {
                throw Self.invalid("unix:// needs an absolute path, as in unix:///run/redis.sock")
            }
            path = try Self.decoded(rest[slash...])
        } else {
            try readHost(authority)
            try readDatabase(rest[slash...].dropFirst())
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
        host = try Self.decoded(name)
        guard !host.isEmpty else { throw Self.invalid("it names no host") }
        if let portText {
            guard portText.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Int(portText),
                (1...65_535).contains(number)
            else { throw Self.invalid("its port must be a number from 1 to 65535") }
            port = number
        }
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
            switch halves.first {
            case "db": try readDatabase(value)
            case "ca_file": trustRootsFile = try Self.decoded(value)
            default: throw Self.invalid("it has a parameter other than db and ca_file")
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
