package chaos

import "slices"

// Shrink leaves out steps, large parts first, as long as fails says that what is
// left still fails, and asks it at most so many times.
func Shrink(steps []Step, most int, fails func([]Step) bool) []Step {
	for size := len(steps) / 2; size > 0; {
		shorter := false
		for at := 0; at < len(steps) && most > 0; {
			less := slices.Delete(slices.Clone(steps), at, min(at+size, len(steps)))
			most--
			if len(less) < len(steps) && fails(less) {
				steps, shorter = less, true
				continue
			}
			at += size
		}
		if most <= 0 {
			break
		}
		if !shorter || size > len(steps)/2 {
			size /= 2
		}
		size = min(size, max(len(steps)/2, 1))
		if len(steps) <= 1 && shorter {
			break
		}
	}
	return steps
}
