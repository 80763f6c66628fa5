// SPDX-License-Identifier: Apache-2.0

import Model

// How each setting of its own form is read.
extension ClusterSettings {
    private static let databaseForm = "postgres://user:password@host:port/database"

    static var missingDatabase: SettingsProblem {
        SettingsProblem(name: "DATABASE_URL", problem: "not set", allowed: databaseForm)
    }

    static func redisURL(_ environment: inout Environment) -> SettingURL {
        environment.url(
            "REDIS_URL", schemes: singleSchemes + sentinelSchemes + clusterSchemes,
            default: SettingURL(open: "redis", "127.0.0.1:6379"),
            allowed: "redis://[user:password@]host[:port][/db], rediss://..., unix:///path, "
                + "redis+sentinel://[user:password@]host:port,host:port,.../MASTER[/db], rediss+sentinel://..., "
                + "redis+cluster://[user:password@]host:port,host:port,... or rediss+cluster://..."
        ) { url in
            let path = url.rest.dropFirst(url.authority.count).prefix { $0 != "?" && $0 != "#" }
            if url.scheme == "unix" { return url.rest.contains("/") }
            guard !url.authority.isEmpty else { return false }
            if sentinelSchemes.contains(url.scheme) { return path.count > 1 && !path.hasPrefix("//") }
            return !clusterSchemes.contains(url.scheme) || path.count <= 1
        }
    }

    private static let singleSchemes = ["redis", "rediss", "unix"]
    private static let sentinelSchemes = ["redis+sentinel", "rediss+sentinel"]
    private static let clusterSchemes = ["redis+cluster", "rediss+cluster"]

    /// In a cluster all keys have to be on one node, which is what the braces are for.
    static func checkPrefix(_ prefix: String, for redisURL: SettingURL, _ environment: inout Environment) {
        guard clusterSchemes.contains(redisURL.scheme), !prefix.hasPrefix("{"),
            !environment.problems.contains(where: { $0.name == "LOCKSTEP_PREFIX" })
        else { return }
        environment.report(
            "LOCKSTEP_PREFIX", "'\(prefix)' has no braces, but REDIS_URL is a cluster",
            allowed: "a hash tag, such as {lockstep}")
    }

    static func databaseURL(_ environment: inout Environment, isRequired: Bool) -> SettingURL? {
        let problems = environment.problems.count
        let url = environment.url(
            "DATABASE_URL", schemes: ["postgres", "postgresql"], allowed: databaseForm)
        if url == nil, isRequired, environment.problems.count == problems {
            environment.report("DATABASE_URL", missingDatabase.problem, allowed: databaseForm)
        }
        return url
    }

    static func keys(
        _ environment: inout Environment, isRequired: Bool,
        readFile: (String) -> Result<SecretString, SecretFile.Refusal>
    ) -> [KeyEntry] {
        let before = environment.problems.count
        let secret = environment.secretOrFile(
            "LOCKSTEP_KEYS", form: KeyEntry.form, isOneLine: false, readFile: readFile)
        guard let secret else {
            if isRequired, environment.problems.count == before {
                environment.report("LOCKSTEP_KEYS", "not set", allowed: KeyEntry.form)
            }
            return []
        }
        let (entries, problems) = KeyEntry.parse(secret.value)
        for problem in problems { environment.report(secret.variable, problem, allowed: KeyEntry.form) }
        return entries
    }

    /// Letters, digits and a few marks; braces only around the whole, as Redis Cluster's hash tag.
    static func prefix(_ text: String) -> String? {
        let isTag = text.hasPrefix("{") && text.hasSuffix("}")
        let name = isTag ? text.dropFirst().dropLast() : text[...]
        let isName = name.utf8.allSatisfy { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || "._-:".utf8.contains(byte)
        }
        return isName && (1...64).contains(name.utf8.count) ? text : nil
    }

    static func queues(_ environment: inout Environment) -> [Queue] {
        environment.value(
            "LOCKSTEP_QUEUES", default: Queue.allCases,
            allowed: "high, default, low or several of them separated by commas",
            show: { $0.map(\.rawValue).joined(separator: ",") }
        ) { text in
            let names = text.lowercased().split(separator: ",", omittingEmptySubsequences: false)
            let queues = names.compactMap { name in
                Queue.allCases.first { $0.rawValue == name.filter { $0 != " " } }
            }
            return queues.count == names.count && Set(queues).count == queues.count ? queues.sorted() : nil
        }
    }

    static func publicURL(_ environment: inout Environment, isRequired: Bool) -> String? {
        let form = "https://host[:port][/path] without user, query and fragment"
        let problems = environment.problems.count
        let url = environment.url(
            "LOCKSTEP_PUBLIC_URL", schemes: ["http", "https"], allowed: form, check: isBase)
        if url == nil, isRequired, environment.problems.count == problems {
            environment.report("LOCKSTEP_PUBLIC_URL", "not set", allowed: form)
        }
        return url.map(base)
    }

    static func serviceURLs(_ environment: inout Environment) -> [String: String] {
        let pairs = environment.list(
            "LOCKSTEP_SERVICE_URLS", separator: ",", default: [],
            allowed: "service=URL entries separated by commas, such as stripe=http://127.0.0.1:8090/stripe",
            show: { "\($0.name)=\($0.url)" }
        ) { element -> (name: String, url: String)? in
            let parts = element.split(separator: "=", maxSplits: 1)
            let isName = parts.first.map(isServiceName) ?? false
            guard parts.count == 2, isName, let url = SettingURL(String(parts[1])), isBase(url) else {
                return nil
            }
            return (String(parts[0]), base(url))
        }
        return Dictionary(pairs) { first, _ in
            environment.report(
                "LOCKSTEP_SERVICE_URLS", "a service is named twice", allowed: "one URL for each")
            return first
        }
    }

    private static func isServiceName(_ name: Substring) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "_-".utf8.contains(byte)
            }
    }

    /// Whether paths can be appended to a URL.
    private static func isBase(_ url: SettingURL) -> Bool {
        ["http", "https"].contains(url.scheme) && !url.authority.isEmpty && !url.hasUserInformation
            && !url.rest.utf8.contains { "?#".utf8.contains($0) }
    }

    private static func base(_ url: SettingURL) -> String {
        let text = url.secret.exposed
        return String(text.hasSuffix("/") ? text.dropLast() : text[...])
    }
}
