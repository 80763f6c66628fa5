// SPDX-License-Identifier: Apache-2.0

public import RedisClient

/// A Redis that may lose what it acknowledged; a process refuses to take work from it.
public struct LossyRedis: Error, CustomStringConvertible {
    /// What is wrong with the Redis, and what to change.
    public let message: String

    /// The message, as operators read it.
    public var description: String { message }
}

extension DurabilityVerdict {
    /// Asks the server for its settings and throws `LossyRedis` when jobs could be lost, unless that is
    /// allowed. Returns what an operator should know.
    public static func require(
        of redis: RedisClient, at place: RedisConfiguration, allowingLoss: Bool
    ) async throws -> [String] {
        let verdict = try await check(redis, at: place)
        let refusals = verdict.refusals.map(\.sentence)
        guard refusals.isEmpty || allowingLoss else {
            throw LossyRedis(
                message: refusals.joined(separator: "\n")
                    + "\nor accept the loss with LOCKSTEP_ALLOW_LOSSY_REDIS=1")
        }
        return refusals + verdict.warnings.map(\.sentence)
    }
}

extension DurabilityVerdict.Finding {
    /// The setting, its value and what to do, in one line.
    public var sentence: String { "Redis setting \(setting) is '\(value)': \(advice)" }
}
