//! The allocator of the command: mimalloc, which is good at blocks that another thread frees.
//!
//! Rust names an alignment with every allocation, and mimalloc has a slower way for those that do. Its blocks are aligned to 16 bytes
//! anyway where they are at least that large, and to 8 where they are smaller, so nearly all requests go the ordinary way.
//!
//! A block of many megabytes is a mapping of its own, which the system grows by moving pages instead of bytes: an array that doubles
//! again and again touches no more memory than it fills.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr;

/// Every block of at least this size has this alignment.
const ALIGNED: usize = 16;
/// Every block has this alignment.
const ALIGNED_ALWAYS: usize = 8;

/// Blocks from this size on are mappings of their own. Smaller ones come and go too often for that.
const MAPPED: usize = 8 << 20;
/// Alignment of a mapping on every system.
const PAGE: usize = 4096;

/// The allocator.
pub(crate) struct Allocator;

/// Whether the ordinary blocks of that size have that alignment.
#[inline]
fn is_aligned_anyway(size: usize, align: usize) -> bool {
    align <= ALIGNED_ALWAYS || align <= ALIGNED && size >= ALIGNED
}

/// Whether a block is a mapping of its own.
#[inline]
fn is_mapped(size: usize, align: usize) -> bool {
    size >= MAPPED && align <= PAGE
}

/// A new mapping, filled with zeros; null where the system has no room.
#[cold]
fn map(size: usize) -> *mut u8 {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping at a place that the system chooses touches nothing that exists.
    let block = found(unsafe { libc::mmap(ptr::null_mut(), size, access, kind, -1, 0) });
    prefer_large_pages(block, size);
    block
}

/// # Safety
/// `block` is a mapping of `size` bytes, to which nobody refers any more.
#[cold]
unsafe fn unmap(block: *mut u8, size: usize) {
    // SAFETY: as the caller promises. It fails for arguments alone that are not those of a mapping.
    unsafe { libc::munmap(block.cast(), size) };
}

/// # Safety
/// `block` is a mapping of `old` bytes; unless the result is null, nobody refers to it any more.
#[cold]
unsafe fn remap(block: *mut u8, old: usize, size: usize) -> *mut u8 {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: as the caller promises.
        let moved = found(unsafe { libc::mremap(block.cast(), old, size, libc::MREMAP_MAYMOVE) });
        prefer_large_pages(moved, size);
        moved
    }
    #[cfg(not(target_os = "linux"))]
    {
        let moved = map(size);
        if !moved.is_null() {
            // SAFETY: both mappings are at least that long, and the new one is apart from the old one, which is given up.
            unsafe {
                ptr::copy_nonoverlapping(block, moved, old.min(size));
                unmap(block, old);
            }
        }
        moved
    }
}

/// Asks for pages of megabytes, of which the processor finds many more at once. A system without them says no, which changes nothing.
fn prefer_large_pages(block: *mut u8, size: usize) {
    #[cfg(target_os = "linux")]
    if !block.is_null() {
        // SAFETY: the block is a mapping of that size, and the advice does not change what is in it.
        unsafe { libc::madvise(block.cast(), size, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (block, size);
}

fn found(mapping: *mut libc::c_void) -> *mut u8 {
    if mapping == libc::MAP_FAILED { ptr::null_mut() } else { mapping.cast() }
}

// SAFETY: the functions of mimalloc keep the contract of an allocator; a block of the ordinary way has the alignment that is asked
// for, as `is_aligned_anyway` makes sure; blocks of both its ways are freed and grown by the same functions. Which blocks are mappings
// is told by their layout, which every call gets; mappings are page-aligned.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        if is_mapped(size, align) {
            map(size)
        } else if is_aligned_anyway(size, align) {
            // SAFETY: any size may be asked for.
            unsafe { libmimalloc_sys::mi_malloc(size).cast() }
        } else {
            // SAFETY: a layout's alignment is a power of two.
            unsafe { libmimalloc_sys::mi_malloc_aligned(size, align).cast() }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        if is_mapped(size, align) {
            map(size)
        } else if is_aligned_anyway(size, align) {
            // SAFETY: any size may be asked for.
            unsafe { libmimalloc_sys::mi_zalloc(size).cast() }
        } else {
            // SAFETY: a layout's alignment is a power of two.
            unsafe { libmimalloc_sys::mi_zalloc_aligned(size, align).cast() }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_mapped(layout.size(), layout.align()) {
            // SAFETY: the caller promises a live block of this allocator, and its layout says that it is a mapping.
            unsafe { unmap(block, layout.size()) }
        } else {
            // SAFETY: as above, and its layout says that it is none.
            unsafe { libmimalloc_sys::mi_free(block.cast()) }
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (old, align) = (layout.size(), layout.align());
        match (is_mapped(old, align), is_mapped(size, align)) {
            // SAFETY: the caller promises a live block of this allocator, and its layout says that it is a mapping.
            (true, true) => unsafe { remap(block, old, size) },
            (false, false) if is_aligned_anyway(size, align) => {
                // SAFETY: as above, and its layout says that it is none.
                unsafe { libmimalloc_sys::mi_realloc(block.cast(), size).cast() }
            }
            // SAFETY: as above; a layout's alignment is a power of two.
            (false, false) => unsafe { libmimalloc_sys::mi_realloc_aligned(block.cast(), size, align).cast() },
            // SAFETY: as above; the new block is apart from the old one, and both are long enough. The caller promises that the new
            // size makes a layout.
            _ => unsafe {
                let moved = self.alloc(Layout::from_size_align_unchecked(size, align));
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(block, moved, old.min(size));
                    self.dealloc(block, layout);
                }
                moved
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_keep_their_bytes_when_they_grow() {
        for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
            for size in [1, 7, 8, 9, 15, 16, 17, 24, 40, 48, 100, 1000, 5000, 100_000] {
                let layout = Layout::from_size_align(size, align).expect("small sizes fit any alignment");
                // SAFETY: the layout is not empty; the block is written within its size, grown, and freed with its new layout.
                unsafe {
                    let block = Allocator.alloc(layout);
                    assert!((block as usize).is_multiple_of(align), "{size} bytes aligned to {align}");
                    block.write_bytes(7, size);
                    let larger = Allocator.realloc(block, layout, size * 3);
                    assert!((larger as usize).is_multiple_of(align), "{size} bytes aligned to {align}, grown");
                    assert!((0..size).all(|index| larger.add(index).read() == 7), "{size} bytes keep what was written");
                    Allocator.dealloc(larger, Layout::from_size_align(size * 3, align).expect("small sizes fit any alignment"));
                    let zeroed = Allocator.alloc_zeroed(layout);
                    assert!((zeroed as usize).is_multiple_of(align) && (0..size).all(|index| zeroed.add(index).read() == 0));
                    Allocator.dealloc(zeroed, layout);
                }
            }
        }
    }

    #[test]
    fn blocks_keep_their_bytes_on_the_way_into_a_mapping_within_it_and_out_of_it() {
        let sizes = [1000, MAPPED - 1, MAPPED, 2 * MAPPED + 1, 5 * MAPPED, MAPPED + 5, MAPPED - 7, 101];
        let layout = |size| Layout::from_size_align(size, 16).expect("sizes of some megabytes fit any alignment");
        // SAFETY: the block is written and read within its size of the moment, and freed with its last layout.
        unsafe {
            let mut block = Allocator.alloc(layout(sizes[0]));
            block.write(1);
            block.add(99).write(2);
            for pair in sizes.windows(2) {
                block.add(pair[0] - 1).write(3);
                block = Allocator.realloc(block, layout(pair[0]), pair[1]);
                assert!((block as usize).is_multiple_of(16));
                assert_eq!((block.read(), block.add(99).read()), (1, 2), "from {} to {} bytes", pair[0], pair[1]);
                if pair[1] > pair[0] {
                    assert_eq!(block.add(pair[0] - 1).read(), 3);
                }
            }
            Allocator.dealloc(block, layout(101));
            let zeroed = Allocator.alloc_zeroed(layout(MAPPED));
            assert!((0..MAPPED).step_by(PAGE).all(|index| zeroed.add(index).read() == 0));
            Allocator.dealloc(zeroed, layout(MAPPED));
        }
    }
}
