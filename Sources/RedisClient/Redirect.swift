// SPDX-License-Identifier: Apache-2.0

/// What a refusal says about where a command belongs, or when to send it again. None of these commands ran.
enum Redirect: Equatable {
    /// Another node owns the slot; nil when the cluster does not say which.
    case moved(RedisConfiguration.Address?)
    /// This command alone goes to another node, to which the slot is moving.
    case ask(RedisConfiguration.Address)
    /// The slot is moving, and the command's keys are on both nodes.
    case tryAgain
    /// This server does not take our commands; another one may.
    case elsewhere

    /// Nil when the refusal is the command's own fault. `sender` is the node that refused: a redirect without
    /// a host means another port of it.
    init?(refusal: String, sender: RedisConfiguration.Address?) {
        let words = refusal.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
        switch words[0] {
        case "MOVED":
            guard words.count >= 3 else { return nil }
            self = .moved(Self.address(words[2], sender: sender))
        case "ASK":
            guard words.count >= 3, let address = Self.address(words[2], sender: sender) else { return nil }
            self = .ask(address)
        case "TRYAGAIN": self = .tryAgain
        // Became a replica, or was one; restarts; cannot reach its master; thinks that the cluster is down;
        // lost its replicas; became a replica while the command blocked.
        case "READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "UNBLOCKED":
            self = .elsewhere
        default: return nil
        }
    }

    /// `host:port`, where the host may be an IPv6 address without brackets, or missing.
    private static func address(
        _ text: Substring, sender: RedisConfiguration.Address?
    ) -> RedisConfiguration.Address? {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65_535).contains(port)
        else { return nil }
        let host = String(text[..<colon])
        // A cluster that knows its nodes by names says "?" for one whose name it does not know.
        guard host != "?" else { return nil }
        guard host.isEmpty else { return .host(host, port: port) }
        guard case .host(let same, _) = sender else { return nil }
        return .host(same, port: port)
    }
}

/// The waits before a command that was refused with a redirect is sent again.
struct RedirectWaits {
    /// Redirects that name a node are followed at once, so often; further ones contradict each other.
    private static let promptLimit = 3
    private static let longest: Duration = .milliseconds(250)

    private var prompt = 0
    private var next: Duration = .milliseconds(10)

    /// The wait after one more redirect.
    mutating func wait(after redirect: Redirect) -> Duration {
        switch redirect {
        case .moved(.some), .ask:
            prompt += 1
            if prompt <= Self.promptLimit { return .zero }
        case .moved(nil), .tryAgain, .elsewhere: break
        }
        defer { next = min(next * 2, Self.longest) }
        return next
    }
}
