// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@Suite struct `A locked box` {
    @Test func `loses no update of concurrent tasks`() async {
        let counter = LockedBox(0)

        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    for _ in 0..<200 { counter.withLock { $0 += 1 } }
                }
            }
        }

        #expect(counter.withLock { $0 } == 10_000)
    }
}
