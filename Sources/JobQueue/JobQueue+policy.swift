// SPDX-License-Identifier: Apache-2.0

import RedisClient

extension JobQueue {
    /// The range of weights; a user without one has the weight 1.
    public static let weights = 0.01...100.0
    /// How many fields of the policy are listed at most.
    public static let policyLimit = 10_000

    /// Lets so many jobs of a scope run at once, or any number with nil. Counts the jobs that are claimed from now on; what a
    /// cap that is gone had parked is released within seconds.
    public func setCap(_ cap: Int?, of scope: PolicyScope) async throws(QueueError) {
        precondition(cap.map { $0 > 0 } ?? true, "a cap lets at least one job run; a pause lets none")
        try await setPolicy("cap:\(scope.member)", cap.map { "\($0)" })
    }

    /// Gives a user so many turns for one of the others, or one again with nil.
    public func setWeight(_ weight: Double?, ofUser user: String) async throws(QueueError) {
        precondition(weight.map(Self.weights.contains) ?? true, "a weight is within its range")
        try await setPolicy("weight:user:\(user)", weight.map { "\($0)" })
    }

    /// The caps and weights that are set, sorted, at most 10,000.
    public func policy() async throws(QueueError) -> [PolicyEntry] {
        var (cursor, fields) = ("0", [String: String]())
        repeat {
            let reply = try await command([
                "HSCAN", RedisArgument(keys.policy), RedisArgument(cursor), "COUNT",
                RedisArgument(Self.batchLimit),
            ])
            guard let parts = reply.array, parts.count == 2, let next = parts[0].text,
                let flat = parts[1].array
            else { throw .unexpected("HSCAN") }
            for position in stride(from: 0, to: flat.count - 1, by: 2) {
                if let field = flat[position].text { fields[field] = flat[position + 1].text ?? "" }
            }
            cursor = next
        } while cursor != "0" && fields.count < Self.policyLimit
        return fields.sorted { $0.key < $1.key }.prefix(Self.policyLimit).map {
            PolicyEntry(field: $0.key, value: $0.value)
        }
    }

    private func setPolicy(_ field: String, _ value: String?) async throws(QueueError) {
        let key = RedisArgument(keys.policy)
        if let value {
            _ = try await command(["HSET", key, RedisArgument(field), RedisArgument(value)])
        } else {
            _ = try await command(["HDEL", key, RedisArgument(field)])
        }
    }
}
