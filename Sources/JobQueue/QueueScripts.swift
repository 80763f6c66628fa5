// SPDX-License-Identifier: Apache-2.0

import RedisClient

/// The queue's scripts. Each is its file with the prelude, and with `lanes.lua` where it sorts or takes ready jobs,
/// inserted below the first line, which holds the flags.
enum QueueScript: String, CaseIterable {
    case claim, renew, finish, postpone, deadletter, park, bind, reap, enqueue, resume, replay, heartbeat,
        progress, sort, cancel, slot, beat, stats, backfill, forget, hurry

    private static let claimScript = assembled(PackageResources.claim_lua, withLanes: true)
    private static let renewScript = assembled(PackageResources.renew_lua)
    private static let finishScript = assembled(PackageResources.finish_lua)
    private static let postponeScript = assembled(PackageResources.postpone_lua)
    private static let deadletterScript = assembled(PackageResources.deadletter_lua)
    private static let parkScript = assembled(PackageResources.park_lua)
    private static let bindScript = assembled(PackageResources.bind_lua)
    private static let reapScript = assembled(PackageResources.reap_lua)
    private static let enqueueScript = assembled(PackageResources.enqueue_lua)
    private static let resumeScript = assembled(PackageResources.resume_lua, withLanes: true)
    private static let replayScript = assembled(PackageResources.replay_lua)
    private static let heartbeatScript = assembled(PackageResources.heartbeat_lua)
    private static let progressScript = assembled(PackageResources.progress_lua)
    private static let sortScript = assembled(PackageResources.sort_lua, withLanes: true)
    private static let cancelScript = assembled(PackageResources.cancel_lua)
    private static let slotScript = assembled(PackageResources.slot_lua)
    private static let beatScript = assembled(PackageResources.beat_lua)
    private static let backfillScript = assembled(PackageResources.backfill_lua)
    private static let statsScript = assembled(PackageResources.stats_lua, withLanes: true)
    private static let forgetScript = assembled(PackageResources.forget_lua, withLanes: true)
    private static let hurryScript = assembled(PackageResources.hurry_lua)

    var script: RedisScript {
        switch self {
        case .claim: Self.claimScript
        case .renew: Self.renewScript
        case .finish: Self.finishScript
        case .postpone: Self.postponeScript
        case .deadletter: Self.deadletterScript
        case .park: Self.parkScript
        case .bind: Self.bindScript
        case .reap: Self.reapScript
        case .enqueue: Self.enqueueScript
        case .resume: Self.resumeScript
        case .replay: Self.replayScript
        case .heartbeat: Self.heartbeatScript
        case .progress: Self.progressScript
        case .sort: Self.sortScript
        case .cancel: Self.cancelScript
        case .slot: Self.slotScript
        case .beat: Self.beatScript
        case .stats: Self.statsScript
        case .backfill: Self.backfillScript
        case .forget: Self.forgetScript
        case .hurry: Self.hurryScript
        }
    }

    private static func assembled(_ file: [UInt8], withLanes: Bool = false) -> RedisScript {
        let lineEnd = UInt8(ascii: "\n")
        let first = file.prefix { $0 != lineEnd }
        let inserted = PackageResources.prelude_lua + (withLanes ? PackageResources.lanes_lua : [])
        return RedisScript(first + [lineEnd] + inserted + file.dropFirst(first.count))
    }
}
