// SPDX-License-Identifier: Apache-2.0

import Model
import RedisClient

/// The lock in Redis by which most callers of a cluster wait for one refresh without asking Postgres for it.
///
/// It only spares work: the claim in Postgres decides. So a Redis that fails, or forgets the lock, does no harm.
struct RefreshLock: Sendable {
    let redis: RedisClient?
    let prefix: String

    private static let unlock = RedisScript(PackageResources.unlock_lua)
    /// A refresh does not wait for a Redis that is slow.
    private static let deadline: Duration = .seconds(2)

    /// False when another process holds the lock.
    func acquire(_ id: Int64, owner: String, lease: Duration) async -> Bool {
        guard let redis else { return true }
        do throws(RedisError) {
            let reply = try await redis.command(
                [
                    "SET", key(id), RedisArgument(owner), "NX", "PX", RedisArgument(lease.wholeMilliseconds),
                ], deadline: Self.deadline)
            return !reply.isNull
        } catch {
            return true
        }
    }

    /// Gives the lock back; one that cannot be given back ends with its lease.
    func release(_ id: Int64, owner: String) async {
        guard let redis else { return }
        do throws(RedisError) {
            _ = try await redis.eval(
                Self.unlock, keys: [key(id)], arguments: [RedisArgument(owner)], deadline: Self.deadline)
        } catch {
            return
        }
    }

    private func key(_ id: Int64) -> RedisArgument { RedisArgument("\(prefix):refresh:\(id)") }
}
