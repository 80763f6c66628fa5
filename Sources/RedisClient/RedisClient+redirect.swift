// SPDX-License-Identifier: Apache-2.0

// Commands of which another server is, or may be, the right one. A refused command did not run, so it is sent
// again; one whose connection broke may have run, and is not.
extension RedisClient {
    /// Sends a command until a server takes it or `timeout` has passed. `send` sends it to the server that is
    /// the right one by then, and gets the time that is left.
    ///
    /// A command that blocks does not follow a single command's redirect (ASK): it waits until the slot has
    /// moved, as blocked commands of an importing node could not be unblocked.
    func following(
        _ arguments: [RedisArgument], timeout: Duration, isBlocking: Bool,
        _ send: (Duration) async throws(RedisError) -> RedisValue
    ) async throws(RedisError) -> RedisValue {
        let limit = ContinuousClock.now + timeout
        var waits = RedirectWaits()
        var detour: RedisConfiguration.Address?
        while true {
            let term = finder.term
            let rest = ContinuousClock.now.duration(to: limit)
            let redirect: Redirect
            let reason: String
            do throws(RedisError) {
                let reply =
                    if let target = detour {
                        try await ask(target, arguments, timeout: rest)
                    } else {
                        try await send(rest)
                    }
                guard case .error(let text) = reply else { return reply }
                let refusal = RedisError(refusal: text)
                guard let found = Redirect(refusal: text, sender: detour ?? finder.serving) else {
                    throw refusal
                }
                (redirect, reason) = (found, refusal.message)
            } catch  where error.code == .connectFailed {
                // Nothing was sent.
                (redirect, reason) = (.tryAgain, error.message)
            }
            detour = nil
            switch redirect {
            case .moved(let address): if finder.redirected(to: address, in: term) { leave() }
            case .ask(let address): detour = isBlocking ? nil : address
            case .tryAgain: break
            case .elsewhere: if finder.doubted(in: term) { leave() }
            }
            try await Self.pause(waits.wait(after: redirect), before: limit, reason)
        }
    }

    private static func pause(
        _ wait: Duration, before limit: ContinuousClock.Instant, _ reason: String
    ) async throws(RedisError) {
        guard ContinuousClock.now + wait < limit else {
            throw RedisError(.timeout, "a Redis command timed out, it was not executed: \(reason)")
        }
        guard wait > .zero else { return }
        do {
            try await ContinuousClock().sleep(for: wait)
        } catch {
            throw RedisError(.cancelled, "cancelled before Redis took a command")
        }
    }

    /// Sends one command to the node to which the slot is moving. Slots move seldom and fast, so each such
    /// command has a connection of its own, on which nothing can come between it and ASKING.
    private func ask(
        _ node: RedisConfiguration.Address, _ arguments: [RedisArgument], timeout: Duration
    ) async throws(RedisError) -> RedisValue {
        let link = RedisLink(configuration: configuration, isBlocking: false)
        defer { link.close() }
        _ = try await link.connect(to: node, as: finder.role, greeting: ["ASKING"])
        return try await link.send(arguments, timeout: timeout)
    }
}
