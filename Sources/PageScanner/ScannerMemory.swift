// SPDX-License-Identifier: Apache-2.0

import CSimdJSON
import Model

/// The C scanner: memory that a page is scanned in, and that the next page uses again, of whatever stream it is.
///
/// There are as many as pages are scanned at one moment, which are hardly more than the machine has cores, however many
/// streams a worker reads.
final class ScannerMemory {
    let scanner: OpaquePointer

    private init() throws(PageScanError) {
        guard let scanner = lockstep_scanner_new() else {
            throw PageScanError(.outOfMemory, "no memory to scan a page")
        }
        self.scanner = scanner
    }

    deinit {
        lockstep_scanner_free(scanner)
    }

    /// Those that wait for their next page.
    private static let idle = LockedBox<[Waiting]>([])
    /// As many wait at most.
    private static let idleLimit = 8
    /// The memory of a larger page is given back to the system: it is some times as large as the page.
    private static let pageLimit = 512 << 10

    /// Memory for one page: what waits, or new one.
    static func take() throws(PageScanError) -> ScannerMemory {
        if let waiting = idle.withLock({ $0.popLast() }) { return waiting.memory }
        return try ScannerMemory()
    }

    /// Keeps the memory for the next page, unless this one was large.
    static func give(_ memory: ScannerMemory, back pageBytes: Int) {
        guard pageBytes <= pageLimit else { return }
        let waiting = Waiting(memory)
        idle.withLock { idle in
            if idle.count < idleLimit { idle.append(waiting) }
        }
    }

    /// @unchecked: whoever puts it among the idle ones has no other reference to it.
    private struct Waiting: @unchecked Sendable {
        let memory: ScannerMemory

        init(_ memory: ScannerMemory) { self.memory = memory }
    }
}
