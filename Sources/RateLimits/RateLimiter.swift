// SPDX-License-Identifier: Apache-2.0

public import Logging
import Model
public import RedisClient

/// The limits that all workers of a cluster share. One call of one script takes from all limits of a request, or from
/// none of them.
///
/// The clock is that of Redis. Without an answer of Redis nothing is granted.
public struct RateLimiter: Sendable {
    let redis: RedisClient
    let keys: LimitKeys
    private let logger: Logger

    /// How long a permit of a concurrency counts when nobody gives it back: longer than any request takes.
    static let permitLifetime: Duration = .seconds(120)
    /// What an integration may repeat: failed requests beyond it wait for the job's own backoff.
    static let retryBudget = LimitRule(
        name: "retries", scope: .integration, quantity: .rate(units: 20, period: .seconds(60), burst: 10))

    /// A limiter on the keys that begin with `prefix`.
    public init(redis: RedisClient, prefix: String, logger: Logger) {
        self.redis = redis
        self.logger = logger
        keys = LimitKeys(prefix: prefix)
    }

    /// Asks for the permission to start one request. `ticket` is what an earlier answer gave for the same request.
    ///
    /// A grant is valid for `Admission.validity` from the moment of the call.
    public func admit(
        _ demand: LimitDemand, in scope: LimitScope, ticket: String? = nil
    ) async throws(LimitError) -> Admission {
        let uses = demand.isRetry ? demand.uses + [LimitUse(Self.retryBudget)] : demand.uses
        let permit = String(UInt64.random(in: .min ... .max), radix: 36)
        var arguments: [RedisArgument] = [
            scope.isUrgent ? "1" : "0", RedisArgument(Int(Admission.longestWaitInPlace.wholeMicroseconds)),
            RedisArgument(permit), RedisArgument(Int(Self.permitLifetime.wholeMicroseconds)),
            ticket.map { RedisArgument($0) } ?? "0",
        ]
        for use in uses { arguments += Self.words(use) }
        let reply = try await eval(LimitScripts.admit, declared(scope, demand, uses), arguments)
        guard let fields = reply.array, fields.count == 5, let word = fields[0].text,
            let wait = fields[1].int,
            let position = fields[2].int, let ticket = fields[3].text, let flag = fields[4].int
        else { throw Self.unexpected("admit") }
        let obstacle = Self.obstacle(Int(position), demand.uses)
        switch word {
        case "granted":
            return .granted(
                LimitGrant(
                    scope: scope, demand: demand, permit: permit, breaker: flag == 0 ? .closed : .listening))
        case "wait": return .wait(.microseconds(wait), ticket: ticket, obstacle)
        case "later": return .later(.microseconds(wait), obstacle)
        default: throw Self.unexpected("admit")
        }
    }

    /// Ends a grant: tells the cluster what the request taught. Returns how long the circuit breaker is open now, if it
    /// is. A plain success waits for no reply, and without a concurrency it costs no call.
    @discardableResult
    public func settle(_ grant: LimitGrant, _ outcome: LimitOutcome) async throws(LimitError) -> Duration? {
        let notes = SettlementNotes(grant, outcome)
        guard notes.isWorthTelling else { return nil }
        let declared = declared(grant.scope, grant.demand, grant.demand.uses)
        if notes.areReleases {
            // Most requests have nothing else to tell, and a script would cost ten times as much.
            for (word, key) in zip(notes.words, declared.dropFirst()) where word == SettlementNotes.release {
                await giveBack(grant.permit, of: key)
            }
            return nil
        }
        let reply = try await eval(
            LimitScripts.settle, declared,
            [RedisArgument(grant.permit), RedisArgument(notes.breaker)]
                + notes.words.map { RedisArgument($0) })
        guard let pause = reply.int else { throw Self.unexpected("settle") }
        return pause > 0 ? .microseconds(pause) : nil
    }

    private func declared(_ scope: LimitScope, _ demand: LimitDemand, _ uses: [LimitUse]) -> [RedisArgument] {
        [RedisArgument(keys.breaker(scope.service)), RedisArgument(keys.gate(scope))]
            + uses.map { use in
                RedisArgument(
                    use.rule == Self.retryBudget
                        ? keys.retries(scope) : keys.limit(use.rule, scope, endpoint: demand.endpoint))
            }
    }

    /// Nobody waits for it: a later request of this worker comes after it, and a permit that is not given back lapses.
    private func giveBack(_ permit: String, of key: RedisArgument) async {
        await redis.post(["ZREM", key, RedisArgument(permit)]) { [logger] error in
            logger.warning("a permit was not given back and lapses", metadata: ["error": "\(error)"])
        }
    }

    private func eval(
        _ script: RedisScript, _ keys: [RedisArgument], _ arguments: [RedisArgument]
    ) async throws(LimitError) -> RedisValue {
        do {
            return try await redis.eval(script, keys: keys, arguments: arguments)
        } catch {
            throw LimitError(error)
        }
    }

    private static func words(_ use: LimitUse) -> [RedisArgument] {
        switch use.rule.quantity {
        case .concurrency(let count): return ["c", RedisArgument(count), "0", "0"]
        case .rate(let units, let period, let burst):
            let step = period.seconds * 1e6 / Double(units)
            return [
                "r", RedisArgument("\(step)"), RedisArgument("\(Self.burst(burst, step: step, use.cost))"),
                RedisArgument(use.cost),
            ]
        }
    }

    /// The burst that grants may have, so that requests that start up to `validity` after their grants, and take up to
    /// `travel` to the provider, still keep the promise. A burst too small for that is one request: then two may be that much closer than the rate says.
    static func burst(_ promised: Int, step: Double, _ cost: Int) -> Double {
        let late = (Admission.validity + Admission.travel).seconds * 1e6 / step
        // At a unit each second or slower the way does not matter, and a part of a unit would cost a whole one.
        return max(Double(promised) - (late <= 0.15 ? 0 : late), Double(cost), 1)
    }

    private static func obstacle(_ position: Int, _ uses: [LimitUse]) -> LimitObstacle {
        switch position {
        case 1: .outage
        case 3...: uses.indices.contains(position - 3) ? .limit(uses[position - 3].rule) : .retryBudget
        default: .refusal
        }
    }

    static func unexpected(_ script: String) -> LimitError {
        LimitError(.unexpectedReply, "the limit script \(script) answered something unexpected")
    }
}
